import BusSystem
import Glibc

/// Lines of a pipe, with a limit on the bytes of each and on the wait for it.
struct LineReader {
  /// A line is longer than the limit; what follows it can be read all the same.
  struct LongLine: Error {
    /// Which it is, from 1 on.
    let number: Int
    let limit: Int
  }

  private let descriptor: Int32
  private let limit: Int
  private var bytes: [UInt8] = []
  private var start = 0
  private var searched = 0
  private var hasRead = false
  /// Whether what comes belongs to a line that was too long.
  private var isSkipping = false
  /// Which line comes next, from 1 on.
  private var number = 1

  /// Whether every line has been handed out and no more can come.
  var hasEnded: Bool { hasRead && start == bytes.count }

  /// Reads lines of at most `limit` bytes from a descriptor that stays the caller's.
  init(_ descriptor: Int32, limit: Int) {
    self.descriptor = descriptor
    self.limit = limit
  }

  /// The next line without its line feed; nil at the end, or when the time is over.
  mutating func next(_ timeout: Duration) throws -> String? {
    try nextBytes(timeout).map { String(decoding: $0, as: UTF8.self) }
  }

  /// As `next`, as bytes; a last line may lack its line feed.
  ///
  /// - Throws: `LongLine` as soon as that much of a line has come: no more than the limit is kept.
  mutating func nextBytes(_ timeout: Duration) throws -> [UInt8]? {
    let deadline = Deadline(after: timeout)
    while true {
      if let end = bytes[searched...].firstIndex(of: 0x0A) {
        let line = bytes[start..<end]
        (start, searched) = (end + 1, end + 1)
        number += 1
        if isSkipping {
          isSkipping = false
          continue
        }
        guard line.count <= limit else { throw LongLine(number: number - 1, limit: limit) }
        return Array(line)
      }
      bytes.removeFirst(isSkipping ? bytes.count : start)
      (start, searched) = (0, bytes.count)
      if bytes.count > limit {
        isSkipping = true
        (bytes, searched) = ([], 0)
        throw LongLine(number: number, limit: limit)
      }
      if hasRead && !bytes.isEmpty {
        defer { (bytes, searched) = ([], 0) }
        return bytes
      }
      if hasEnded || deadline.isOver { return nil }
      try Interrupt.check()
      guard Self.waitReadable([descriptor], deadline.left).contains(descriptor) else { continue }
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
