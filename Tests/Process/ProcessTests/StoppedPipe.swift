import BusTestSupport
import Glibc
import Testing

/// A pipe with a name that holds a page and that nobody reads until it is asked to.
final class StoppedPipe {
  let path: String
  private let descriptor: Int32

  init(_ path: String) throws {
    self.path = path
    try #require(unsafe mkfifo(path, 0o600) == 0)
    descriptor = unsafe open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC)
    let setSize: Int32 = 1031
    try #require(descriptor >= 0 && fcntl(descriptor, setSize, 4096) >= 4096)
  }

  deinit { close(descriptor) }

  /// What lies in the pipe.
  func read() -> String {
    var room = [UInt8](repeating: 0, count: 65536)
    let count = unsafe Glibc.read(descriptor, &room, room.count)
    return String(decoding: room.prefix(max(0, count)), as: UTF8.self)
  }

  /// How many bytes lie in it.
  var bytes: Int {
    var count: Int32 = 0
    return unsafe ioctl(descriptor, UInt(FIONREAD), &count) == 0 ? Int(count) : 0
  }

  /// Starts bcs with this pipe as its standard output, or as its standard error.
  func start(_ bus: CLIBus, _ words: [String], errors: Bool = false, input: ChildInput = .none)
    throws -> Child
  {
    try Child.start(
      "/bin/sh",
      ["-c", "pipe=$0; exec \"$@\" \(errors ? "2>" : ">") \"$pipe\"", path]
        + [try Programs.path("bcs")] + words.prefix(1) + ["--dir", bus.directory]
        + words.dropFirst(), input: input)
  }
}
