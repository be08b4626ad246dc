import Glibc

/// A program that a command runs, its output read through pipes.
final class ChildProcess {
  /// Where a stream of the child goes.
  enum Stream {
    case inherited
    case pipe
  }

  /// How a child ended.
  enum End: Equatable {
    case code(Int32)
    case signal(Int32)

    /// The exit code a shell would show.
    var status: Int32 {
      switch self {
      case .code(let code): code
      case .signal(let number): 128 + number
      }
    }
  }

  let pid: Int32
  /// The reading end of its standard output, or -1.
  private(set) var output: Int32
  /// The writing end of its standard input, or -1.
  private(set) var input: Int32
  private var end: End?

  /// Starts a program with default signals and no other descriptor of ours.
  ///
  /// - Throws: `Failure` when it cannot be started.
  init(
    _ program: String, _ arguments: [String], output: Stream = .inherited,
    input: Stream = .inherited, environment: [String: String] = [:]
  ) throws {
    var outputs: [Int32] = [-1, -1]
    var inputs: [Int32] = [-1, -1]
    if output == .pipe { try Self.pipe(&outputs) }
    if input == .pipe { try Self.pipe(&inputs) }
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    if output == .pipe { unsafe posix_spawn_file_actions_adddup2(&actions, outputs[1], 1) }
    if input == .pipe {
      unsafe posix_spawn_file_actions_adddup2(&actions, inputs[0], 0)
    } else {
      unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    }
    let (pid, code) = unsafe Self.spawn(program, arguments, environment, &actions)
    if output == .pipe { close(outputs[1]) }
    if input == .pipe { close(inputs[0]) }
    guard code == 0 else {
      if output == .pipe { close(outputs[0]) }
      if input == .pipe { close(inputs[1]) }
      throw Failure(
        "\(program) cannot be started: \(System.words(code)).",
        remedy: "Build or install all programs in one directory.", name: "SYSTEM")
    }
    self.pid = pid
    self.output = outputs[0]
    self.input = inputs[1]
  }

  deinit {
    if end == nil {
      kill(SIGKILL)
      wait()
    }
    closeOutput()
    closeInput()
  }

  /// Sends a signal, unless the child has ended.
  func kill(_ number: Int32) {
    if end == nil { _ = Glibc.kill(pid, number) }
  }

  /// Its end, if it has ended.
  func poll() -> End? {
    if end == nil { reap(WNOHANG) }
    return end
  }

  /// Waits for its end.
  @discardableResult
  func wait() -> End {
    while end == nil { reap(0) }
    return end ?? .code(1)
  }

  /// Waits for its end, but not for ever.
  ///
  /// - Returns: nil when the time was over first.
  func wait(_ timeout: Duration) -> End? {
    let limit = Deadline(timeout)
    while poll() == nil, !limit.isOver { System.sleep(.milliseconds(2)) }
    return end
  }

  /// Closes our end of its output; a child that goes on writing meets a closed pipe.
  func closeOutput() {
    if output >= 0 { close(output) }
    output = -1
  }

  /// Ends its standard input.
  func closeInput() {
    if input >= 0 { close(input) }
    input = -1
  }

  private func reap(_ options: Int32) {
    var status: Int32 = 0
    let found = unsafe waitpid(pid, &status, options)
    guard found == pid else {
      if found < 0 && errno == ECHILD { end = .code(1) }
      return
    }
    let number = status & 0x7F
    end = number == 0 ? .code((status >> 8) & 0xFF) : .signal(number)
  }

  private static func pipe(_ ends: inout [Int32]) throws {
    guard unsafe Glibc.pipe(&ends) == 0 else {
      throw Failure(
        "No pipe can be made: \(System.words(errno)).", remedy: "See `bcs doctor`.",
        name: "SYSTEM")
    }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
  }

  private static func spawn(
    _ program: String, _ arguments: [String], _ environment: [String: String],
    _ actions: inout posix_spawn_file_actions_t
  ) -> (pid: Int32, code: Int32) {
    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    unsafe sigemptyset(&signals)
    unsafe posix_spawnattr_setsigmask(&attributes, &signals)
    unsafe sigfillset(&signals)
    unsafe posix_spawnattr_setsigdefault(&attributes, &signals)
    let flags = Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK)
    unsafe posix_spawnattr_setflags(&attributes, flags)
    for (name, value) in environment { unsafe setenv(name, value, 1) }
    var pid: Int32 = 0
    let code = unsafe withArguments([program] + arguments) { list in
      unsafe posix_spawn(&pid, program, &actions, &attributes, list, environ)
    }
    return (pid, code)
  }
}

/// Becomes another program; returns only when that fails.
///
/// - Returns: why it failed.
func become(_ program: String, _ arguments: [String]) -> Int32 {
  unsafe withArguments([program] + arguments) { list in
    _ = unsafe execv(program, list)
    return errno
  }
}

func withArguments<Result>(
  _ arguments: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
  let list = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(
    capacity: arguments.count + 1)
  for (index, text) in arguments.enumerated() { unsafe list[index] = strdup(text) }
  unsafe list[arguments.count] = nil
  defer {
    for index in arguments.indices { unsafe free(list[index]) }
    unsafe list.deallocate()
  }
  return unsafe body(list)
}
