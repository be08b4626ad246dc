import Foundation
import Glibc

/// A program run by a test: its output is drained by threads, so that no pipe ever blocks it, and
/// every wait is bounded.
///
/// ```swift
/// let router = try Child.start(Programs.path("bcs"), ["up", "--dir", dir.path])
/// defer { router.kill() }
/// try router.waitForLine(containing: "ready", timeout: .seconds(10))
/// router.signal(SIGTERM)
/// #expect(try router.wait().exit == .code(0))
/// ```
/// A child that nobody holds any more is killed, too.
public final class Child: Sendable {
  /// The process id.
  public let pid: Int32
  private let what: String
  private let state: Monitor<ChildState>

  private static let alive = Monitor<[Int32: Monitor<ChildState>]>([:])

  /// Starts a program.
  ///
  /// - Parameters:
  ///   - program: a path, or a name to be found in `PATH`.
  ///   - arguments: without the program's own name.
  ///   - environment: set on top of this process's variables; an empty value removes one.
  ///   - input: what the child reads.
  ///   - directory: its working directory; nil: that of this process.
  /// - Returns: the running child.
  /// - Throws: `ChildError.system` when it cannot be started.
  public static func start(
    _ program: String, _ arguments: [String] = [], environment: [String: String] = [:],
    input: ChildInput = .none, directory: String? = nil
  ) throws(ChildError) -> Child {
    // A child that ends before it has read all must not take the test process with it.
    _ = Glibc.signal(SIGPIPE, SIG_IGN)
    let variables = ProcessInfo.processInfo.environment.merging(environment) { _, new in new }
    let launch = try Launch.start(
      [program] + arguments,
      environment: variables.filter { !$0.value.isEmpty }.map { "\($0.key)=\($0.value)" },
      hasInput: input.hasPipe, directory: directory)
    return Child(launch, what: ([program] + arguments).joined(separator: " "), input: input)
  }

  /// Starts a program and waits for its end.
  ///
  /// - Throws: what `start` and `wait` throw.
  public static func run(
    _ program: String, _ arguments: [String] = [], environment: [String: String] = [:],
    input: ChildInput = .none, directory: String? = nil, timeout: Duration = .seconds(60)
  ) throws(ChildError) -> ChildResult {
    let child = try start(
      program, arguments, environment: environment, input: input, directory: directory)
    return try child.wait(timeout: timeout)
  }

  private init(_ launch: Launch, what: String, input: ChildInput) {
    self.pid = launch.pid
    self.what = what
    let pid = launch.pid
    let state = Monitor(ChildState(input: launch.input))
    self.state = state
    Child.alive.with { all in all[pid] = state }
    startThread { drain(launch.stdout) { bytes in state.with { s in s.stdout.append(bytes) } } }
    startThread { drain(launch.stderr) { bytes in state.with { s in s.stderr.append(bytes) } } }
    startThread {
      reap(pid, state)
      Child.alive.with { all in all[pid] = nil }
    }
    if case .bytes(let bytes) = input {
      startThread {
        if let descriptor = state.with({ s in s.takeInput() }) {
          writeAll(bytes, to: descriptor)
          close(descriptor)
        }
      }
    }
  }

  deinit {
    kill()
    closeInput()
  }

  /// True until the child has ended.
  public var isRunning: Bool { state.with { s in s.exit == nil } }

  /// All it has printed to standard output so far.
  public var stdoutSoFar: String { state.with { s in s.stdout.text } }

  /// All it has printed to standard error so far.
  public var stderrSoFar: String { state.with { s in s.stderr.text } }

  /// Sends a signal; false when the child has ended, so that no other process is ever hit.
  @discardableResult
  public func signal(_ number: Int32) -> Bool {
    state.with { s in s.exit == nil && Glibc.kill(pid, number) == 0 }
  }

  /// Stops the child and waits until all of its threads stand still; false when it has ended.
  ///
  /// The signal alone is not enough: it goes to one thread, and the others run on until that one
  /// has its turn.
  public func stop() -> Bool {
    guard signal(SIGSTOP) else { return false }
    var info = unsafe siginfo_t()
    let wanted = WSTOPPED | WEXITED | WNOWAIT
    while true {
      if unsafe waitid(P_PID, id_t(pid), &info, wanted) == 0 {
        return unsafe info.si_code == CLD_STOPPED
      }
      guard errno == EINTR else { return false }
    }
  }

  /// Kills the child if it still runs.
  public func kill() { signal(SIGKILL) }

  /// Waits for the end of the child and of its output.
  ///
  /// - Throws: `ChildError.timedOut` after `timeout`; the child has then been killed.
  @discardableResult
  public func wait(timeout: Duration = .seconds(60)) throws(ChildError) -> ChildResult {
    guard let exit = state.wait(timeout, until: { s in s.exit }) else {
      kill()
      throw .timedOut(what, stdout: stdoutSoFar, stderr: stderrSoFar)
    }
    // A grandchild may keep the pipes open: its output is not waited for long.
    _ = state.wait(.seconds(2)) { s in s.stdout.ended && s.stderr.ended ? true : nil }
    return ChildResult(exit: exit, stdout: stdoutSoFar, stderr: stderrSoFar)
  }

  /// Waits for a line on standard output that no earlier call has returned and that contains
  /// `text`; lines before it are passed over.
  ///
  /// - Throws: `ChildError.noLine` when the time is over or the output ends first.
  @discardableResult
  public func waitForLine(
    containing text: String, timeout: Duration = .seconds(30)
  ) throws(ChildError) -> String {
    let found = state.wait(timeout) { s -> String?? in
      if let line = s.stdout.takeLine(containing: text) { return .some(line) }
      return s.stdout.ended ? .some(nil) : nil
    }
    guard let line = found ?? nil else {
      throw .noLine(text, stdout: stdoutSoFar, stderr: stderrSoFar)
    }
    return line
  }

  /// Writes to the child's standard input (`ChildInput.pipe`); false when it does not read any
  /// more or its input was closed.
  @discardableResult
  public func send(_ text: String) -> Bool {
    guard let descriptor = state.with({ s in s.input }) else { return false }
    return writeAll(Array(text.utf8), to: descriptor)
  }

  /// Ends the child's standard input (`ChildInput.pipe`).
  public func closeInput() {
    if let descriptor = state.with({ s in s.takeInput() }) { close(descriptor) }
  }

  /// Kills every child of this process that still runs.
  static func killAll() {
    for (pid, state) in Child.alive.with({ all in all }) {
      state.with { s in
        if s.exit == nil { _ = Glibc.kill(pid, SIGKILL) }
      }
    }
  }
}

extension ChildInput {
  fileprivate var hasPipe: Bool {
    if case .none = self { false } else { true }
  }
}

/// Waits for the end of the process; the pid stays ours until the state says that it ended.
private func reap(_ pid: Int32, _ state: Monitor<ChildState>) {
  var info = unsafe siginfo_t()
  while unsafe waitid(P_PID, id_t(pid), &info, WEXITED | WNOWAIT) < 0 && errno == EINTR {}
  state.with { s in
    var status: Int32 = 0
    while unsafe waitpid(pid, &status, 0) < 0 && errno == EINTR {}
    let number = status & 0x7F
    s.exit = number == 0 ? .code((status >> 8) & 0xFF) : .signal(number)
  }
}

/// Hands on what comes from the descriptor, until its end: then an empty array; closes it.
private func drain(_ descriptor: Int32, _ take: ([UInt8]) -> Void) {
  var room = [UInt8](repeating: 0, count: 65536)
  while true {
    let count = unsafe room.withUnsafeMutableBytes { bytes in
      unsafe read(descriptor, bytes.baseAddress, bytes.count)
    }
    if count < 0 && errno == EINTR { continue }
    take(Array(room[..<max(0, count)]))
    if count <= 0 { break }
  }
  close(descriptor)
}
