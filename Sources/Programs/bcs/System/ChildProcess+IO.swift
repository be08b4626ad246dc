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

  /// Starts a program with default signals and no other descriptor of ours; it is told to end when
  /// this process has ended.
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
    let nothing = input == .pipe ? -1 : unsafe open("/dev/null", O_RDONLY | O_CLOEXEC)
    let (pid, code) = Spawn.start(
      [program] + arguments, environment: environment.map { ($0.key, $0.value) },
      Spawn.Descriptors(input: input == .pipe ? inputs[0] : nothing, output: outputs[1]))
    if nothing >= 0 { close(nothing) }
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
