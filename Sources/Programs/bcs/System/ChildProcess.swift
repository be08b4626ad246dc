import BusSystem
import Glibc

/// A program that a command runs, its output read through pipes.
final class ChildProcess {
  /// Where a stream of the child goes.
  enum Stream {
    case inherited
    case pipe
  }

  let pid: Int32
  /// The reading end of its standard output, or -1.
  private(set) var output: Int32
  /// The writing end of its standard input, or -1.
  private(set) var input: Int32
  private var end: ChildEnd?

  /// Starts a program with default signals and no other descriptor of ours; it is told to end when
  /// this process has ended.
  ///
  /// - Throws: `Failure` when it cannot be started.
  init(
    _ program: String, _ arguments: [String], output: Stream = .inherited,
    input: Stream = .inherited, environment: [String: String] = [:]
  ) throws {
    let outputs = output == .pipe ? try Self.pipe() : nil
    let inputs = input == .pipe ? try Self.pipe() : nil
    let source = inputs?.reading ?? (unsafe open("/dev/null", O_RDONLY | O_CLOEXEC))
    // Without one the child would read what this program is given to read.
    let (pid, code) =
      source < 0
      ? (-1, errno)
      : Spawn.tied(
        [program] + arguments, environment: environment.map { ($0.key, $0.value) },
        Spawn.Descriptors(input: source, output: outputs?.writing ?? -1))
    if source >= 0 { close(source) }
    if let outputs { close(outputs.writing) }
    guard code == 0 else {
      if let outputs { close(outputs.reading) }
      if let inputs { close(inputs.writing) }
      throw Failure(
        "\(program) cannot be started: \(Errno.text(code)).",
        remedy: "Build or install all programs in one directory.", name: "SYSTEM")
    }
    self.pid = pid
    self.output = outputs?.reading ?? -1
    self.input = inputs?.writing ?? -1
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
  func poll() -> ChildEnd? {
    if end != nil { return end }
    switch ChildEnd.state(of: pid) {
    case .running: break
    case .ended(let known): end = known
    case .unknown: end = .exit(1)
    }
    return end
  }

  /// Waits for its end.
  @discardableResult
  func wait() -> ChildEnd {
    let known = end ?? ChildEnd.of(pid, waiting: true) ?? .exit(1)
    end = known
    return known
  }

  /// Waits for its end, but not for ever.
  ///
  /// - Returns: nil when the time was over first.
  func wait(_ timeout: Duration) -> ChildEnd? {
    let limit = Deadline(after: timeout)
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

  private static func pipe() throws -> PipeEnds {
    do {
      return try PipeEnds()
    } catch {
      throw Failure(
        "No pipe can be made: \(error.reason).", remedy: "See `bcs doctor`.", name: "SYSTEM")
    }
  }
}
