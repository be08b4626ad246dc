import BusSystem
import Glibc

/// Lines of a pipe, with a limit on the wait for each.
struct LineReader {
  private let descriptor: Int32
  private var bytes: [UInt8] = []
  private var start = 0
  private var searched = 0
  private var hasRead = false

  /// Whether every line has been handed out and no more can come.
  var hasEnded: Bool { hasRead && start == bytes.count }

  /// Reads from a descriptor that stays the caller's.
  init(_ descriptor: Int32) { self.descriptor = descriptor }

  /// The next line without its line feed; nil at the end, or when the time is over.
  mutating func next(_ timeout: Duration) throws -> String? {
    try nextBytes(timeout).map { String(decoding: $0, as: UTF8.self) }
  }

  /// As `next`, as bytes; a last line may lack its line feed.
  mutating func nextBytes(_ timeout: Duration) throws -> [UInt8]? {
    let limit = Deadline(after: timeout)
    while true {
      if let end = bytes[searched...].firstIndex(of: 0x0A) {
        let line = Array(bytes[start..<end])
        start = end + 1
        searched = start
        return line
      }
      bytes.removeFirst(start)
      start = 0
      searched = bytes.count
      if hasRead && !bytes.isEmpty {
        defer { (bytes, searched) = ([], 0) }
        return bytes
      }
      if hasEnded || limit.isOver { return nil }
      try Interrupt.check()
      guard Self.waitReadable([descriptor], limit.left).contains(descriptor) else { continue }
      let piece = try Input.read(descriptor, room: 1 << 16)
      if piece.isEmpty { hasRead = true }
      bytes += piece
    }
  }

  /// Which of the descriptors can be read now, after waiting at most `timeout` (0.2 s at once).
  static func waitReadable(_ descriptors: [Int32], _ timeout: Duration) -> [Int32] {
    var watches = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    let (seconds, attoseconds) = timeout.components
    let milliseconds = seconds > 0 ? 200 : min(200, attoseconds / 1_000_000_000_000_000 + 1)
    let found = unsafe poll(&watches, nfds_t(watches.count), Int32(milliseconds))
    return found <= 0 ? [] : watches.filter { $0.revents != 0 }.map(\.fd)
  }
}
