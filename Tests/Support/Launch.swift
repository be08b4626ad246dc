import BusSystem
import Glibc

/// A program just started, and our ends of its pipes.
struct Launch: Sendable {
  let pid: Int32
  let input: Int32?
  let stdout: Int32
  let stderr: Int32

  /// Starts `arguments[0]` with default signals, no open descriptor but 0 to 2, and our pipes.
  static func start(
    _ arguments: [String], environment: [String], hasInput: Bool, directory: String?
  ) throws(ChildError) -> Launch {
    // env enters the folder and then becomes the program, under the same pid.
    let command = directory.map { ["/usr/bin/env", "-C", $0] + arguments } ?? arguments
    return try Launch(command, environment: environment, hasInput: hasInput)
  }

  private init(
    _ command: [String], environment: [String], hasInput: Bool
  ) throws(ChildError) {
    let input = hasInput ? try Self.pipe() : nil
    let output = try Self.pipe()
    let errors = try Self.pipe()
    let source = input?.reading ?? (unsafe open("/dev/null", O_RDONLY | O_CLOEXEC))
    // A descriptor inherited by accident would hide that a program closes its own.
    let (pid, code) =
      source < 0
      ? (-1, errno)
      : Spawn.start(
        command, environment: environment,
        Spawn.Descriptors(input: source, output: output.writing, errors: errors.writing),
        .closesOthers)
    for end in [source, output.writing, errors.writing] where end >= 0 { close(end) }
    guard code == 0 else {
      for end in [output.reading, errors.reading] { close(end) }
      if let input { close(input.writing) }
      throw .system("start of '\(command[0])'", code)
    }
    self.pid = pid
    self.input = input?.writing
    self.stdout = output.reading
    self.stderr = errors.reading
  }

  private static func pipe() throws(ChildError) -> PipeEnds {
    do throws(SystemError) {
      return try PipeEnds()
    } catch {
      throw .system(error.call, error.number)
    }
  }
}
