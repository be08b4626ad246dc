import BinaryComm
import BusSystem
import BusWire
import CBusPlatform
import Glibc

/// A command that works on one request: the request is its input, its output the reply.
///
/// Nothing here waits: ``step()`` moves what can be moved, and says when it is over.
final class ServiceChild {
  /// What it reads.
  enum Input {
    case message([UInt8])
    /// Read where it lies: a copy for each command that runs would be the requesters' to bloat.
    case blob(Blob)

    fileprivate var byteCount: Int {
      switch self {
      case .message(let bytes): bytes.count
      case .blob(let blob): blob.byteCount
      }
    }

    fileprivate func withBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
      switch self {
      case .message(let bytes): unsafe bytes.withUnsafeBytes(body)
      case .blob(let blob): unsafe blob.bytes.withUnsafeBytes(body)
      }
    }
  }

  /// How it ended.
  enum End {
    case exited(Int32)
    case killed(Int32)
    /// It was stopped, for this reason.
    case stopped(BusError)
  }

  /// What it has written and nobody has taken yet.
  private(set) var output: [UInt8] = []
  /// The end of what it wrote to its standard error.
  private(set) var complaint: [UInt8] = []
  private let pid: Int32
  private var input: Input
  private var written = 0
  private var toChild: Int32
  private var fromChild: Int32
  private var errors: Int32
  private let limit: Deadline
  private let limitCause: BusErrorCause
  private let outputMax: Int
  private var total = 0
  private var status: End?
  private var stopping: BusError?
  private var killLimit: Deadline?
  private var drainLimit: Deadline?
  private let guardian: Guardian
  /// Where the guardian finds its group, until that is nobody's affair any more.
  private var place: Spawn.GuardedPlace?

  private static let complaintMax = 1024
  /// As much is moved each way in a step, so that others have theirs.
  private static let stepBytes = 1 << 20
  /// How long a child's children may keep its output open after it has ended.
  private static let drainTime = Duration.milliseconds(200)
  private static let killTime = Duration.seconds(1)

  /// Starts the command in a process group of its own, which does not outlive this process.
  init(
    _ command: [String], input: Input, environment: [(String, String)], limit: Deadline,
    limitCause: BusErrorCause, outputMax: Int, guardian: Guardian
  ) throws(BusError) {
    var pipes: [PipeEnds] = []
    for _ in 0..<3 {
      do throws(SystemError) {
        pipes.append(try PipeEnds())
      } catch {
        for pipe in pipes { for end in [pipe.reading, pipe.writing] { close(end) } }
        throw .resourceExhausted("no pipe for the command: \(error.reason)", cause: .descriptors)
      }
    }
    let theirs = Spawn.Descriptors(
      input: pipes[0].reading, output: pipes[1].writing, errors: pipes[2].writing)
    let ours = [pipes[0].writing, pipes[1].reading, pipes[2].reading]
    let place = guardian.takePlace()
    let (pid, code) = Spawn.tied(command, environment: environment, theirs, guarded: place)
    for end in [theirs.input, theirs.output, theirs.errors] { close(end) }
    guard code == 0 else {
      if let place { guardian.release(place) }
      for end in ours { close(end) }
      throw .system("the command \(command[0]) cannot be started: \(Errno.text(code))")
    }
    for end in ours { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
    self.pid = pid
    self.guardian = guardian
    self.place = place
    self.input = input
    self.limit = limit
    self.limitCause = limitCause
    self.outputMax = outputMax
    (toChild, fromChild, errors) = (ours[0], ours[1], ours[2])
  }

  deinit {
    if status == nil {
      _ = kill(-pid, SIGKILL)
      var ignored: Int32 = 0
      leaveGuardian()
      _ = unsafe waitpid(pid, &ignored, 0)
    }
    for end in [toChild, fromChild, errors] where end >= 0 { close(end) }
  }

  /// Asks it to end, with all that it started; what it answers with is `why`.
  func stop(_ why: BusError) {
    guard stopping == nil, status == nil else { return }
    stopping = why
    killLimit = Deadline(after: Self.killTime)
    _ = kill(-pid, SIGTERM)
  }

  /// Takes the output so far.
  func takeOutput() -> [UInt8] {
    defer { output = [] }
    return output
  }

  /// Moves bytes both ways; its end, once there is nothing left to read.
  ///
  /// `reads`: false leaves its output where it is, so that it waits.
  func step(reads: Bool = true) -> End? {
    feed()
    complaint = Array((complaint + Self.drain(&errors, most: 1 << 16)).suffix(Self.complaintMax))
    if reads {
      let fresh = Self.drain(&fromChild, most: Self.stepBytes)
      total += fresh.count
      if total > outputMax {
        stop(
          .resourceExhausted(
            "the command wrote more than \(outputMax) bytes", cause: .outputLimit))
      } else if stopping == nil {
        output += fresh
      }
    }
    if let lateness { stop(lateness) }
    if let killLimit, killLimit.isOver { _ = kill(-pid, SIGKILL) }
    reap()
    guard let status else { return nil }
    if let stopping { return .stopped(stopping) }
    // What its own children keep open does not hold the reply up.
    if drainLimit == nil { drainLimit = Deadline(after: Self.drainTime) }
    guard fromChild < 0 || (reads && drainLimit?.isOver == true) else { return nil }
    return status
  }

  /// That its time is over; nil while it is not.
  var lateness: BusError? {
    guard limit.isOver else { return nil }
    let limit = limitCause == .timeLimit ? "the responder's limit" : "the requester's deadline"
    return .timeout("the command did not end within \(limit)", cause: limitCause)
  }

  private func feed() {
    guard toChild >= 0 else { return }
    let stepEnd = written + Self.stepBytes
    while written < input.byteCount {
      if written >= stepEnd { return }
      let count = unsafe input.withBytes { bytes in
        let rest = unsafe bytes[written..<min(stepEnd, bytes.count)]
        return unsafe write(toChild, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
      }
      if count > 0 {
        written += count
        continue
      }
      if count < 0, errno == EAGAIN || errno == EINTR { return }
      // It wants no more of its input, which is its own affair.
      break
    }
    close(toChild)
    toChild = -1
    input = .message([])
    written = 0
  }

  private static func drain(_ end: inout Int32, most: Int) -> [UInt8] {
    var all: [UInt8] = []
    var room = [UInt8](repeating: 0, count: 1 << 16)
    while end >= 0, all.count < most {
      let count = unsafe read(end, &room, room.count)
      if count > 0 {
        all += room[..<count]
      } else if count == 0 {
        close(end)
        end = -1
      } else {
        if errno == EINTR { continue }
        return all
      }
    }
    return all
  }

  private func reap() {
    guard status == nil, plat_child_ended(pid) == 1 else { return }
    // Told before the number of its group may become another one's.
    if stopping == nil { leaveGuardian() }
    switch ChildEnd.of(pid) {
    case .exit(let code): status = .exited(code)
    case .signal(let number): status = .killed(number)
    case nil: break
    }
  }

  /// Whether all that a stopped command had started has ended, too; true at the latest when the
  /// time is over that it has for that.
  func hasLeftNothing() -> Bool {
    guard stopping != nil else { return true }
    if kill(-pid, 0) == 0 || errno == EPERM {
      guard killLimit?.isOver ?? true else { return false }
      _ = kill(-pid, SIGKILL)
    }
    leaveGuardian()
    return true
  }

  private func leaveGuardian() {
    if let place { guardian.release(place) }
    place = nil
  }
}

/// Looks for a command before the first request needs it.
enum CommandPath {
  /// Throws when there is no such program, or it may not be run.
  static func check(_ command: String) throws {
    guard !command.isEmpty else { throw refusal("''", "the word is empty") }
    guard !command.contains("/") else {
      if let reason = obstacle(command) { throw refusal(command, reason) }
      return
    }
    let folders = (ProcessEnvironment.variable("PATH") ?? "/usr/bin:/bin").split(separator: ":")
    if folders.contains(where: { obstacle("\($0)/\(command)") == nil }) { return }
    throw refusal(command, "it is in no folder of PATH")
  }

  /// Why a file cannot be run; nil when it can.
  private static func obstacle(_ path: String) -> String? {
    guard unsafe access(path, X_OK) == 0 else { return Errno.text(errno) }
    var facts = stat()
    guard unsafe stat(path, &facts) == 0 else { return Errno.text(errno) }
    return facts.st_mode & S_IFMT == S_IFREG ? nil : "it is no file"
  }

  private static func refusal(_ command: String, _ reason: String) -> Failure {
    .usage(
      "The command \(command.printable) cannot be run: \(reason).",
      remedy: "Name a program, or run a script by its interpreter: --exec sh -c '…'.")
  }
}
