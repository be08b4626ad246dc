import BusWire
import CBusPlatform
import Glibc

/// The C library's words for an error number.
func errorText(_ number: Int32) -> String {
  unsafe String(cString: strerror(number))
}

/// The calls of the event loop, over arrays instead of pointers.
enum Kernel {
  /// What a socket gave.
  enum Received {
    /// Nothing waits.
    case nothing
    /// The other end is gone.
    case ended
    /// A record that is too long, or came with too many descriptors or without some of them.
    case oversize([Int32])
    /// A record and the descriptors beside it.
    case record([UInt8], [Int32])
  }

  /// A descriptor that is held only to be given up when there are no others; -1: none.
  static func openSpare() -> Int32 { unsafe open("/dev/null", O_RDONLY | O_CLOEXEC) }

  /// An empty memory file, or -errno.
  static func memoryFile() -> Int32 { unsafe plat_memfd("bcs-kind") }

  /// Two connected sockets, nil when the kernel refuses.
  static func socketPair() -> (Int32, Int32)? {
    var ends: [Int32] = [-1, -1]
    let kind = Int32(SOCK_SEQPACKET.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    guard unsafe socketpair(AF_UNIX, kind, 0, &ends) == 0 else { return nil }
    return (ends[0], ends[1])
  }

  /// Waits until a watched descriptor is ready, at most so long (-1: for ever); returns how many of
  /// `ready` are filled, or -errno.
  static func poll(_ poller: Int32, _ ready: inout [plat_ready_t], timeoutMs: Int32) -> Int32 {
    unsafe plat_poll(poller, &ready, Int32(ready.count), timeoutMs)
  }

  /// Bounds what may lie in a socket and not be read, in bytes as the kernel counts them.
  static func bound(_ socket: Int32, bytes: Int32) {
    var room = bytes
    _ = unsafe setsockopt(
      socket, SOL_SOCKET, SO_SNDBUF, &room, socklen_t(MemoryLayout<Int32>.size))
  }

  /// Sends one record without waiting; 0, or -errno.
  static func send(_ bytes: [UInt8], _ descriptor: Int32?, to socket: Int32) -> Int32 {
    guard let descriptor else { return unsafe plat_send(socket, bytes, bytes.count, nil, 0) }
    return unsafe plat_send(socket, bytes, bytes.count, [descriptor], 1)
  }

  /// Whether all that was sent over a socket has been read, or can be read by nobody any more.
  static func isRead(_ socket: Int32) -> Bool { plat_unread_bytes(socket) <= 0 }

  /// Takes one record into `room`; the caller closes its descriptors, which may be anything.
  static func receive(_ socket: Int32, _ room: inout [UInt8]) -> Received {
    var descriptors = [Int32](repeating: -1, count: Int(PLAT_RECEIVED_DESCRIPTORS))
    var count: Int32 = 0
    var cut: Int32 = 0
    let received = unsafe plat_receive_all(
      socket, &room, room.count, &descriptors, &count, &cut)
    if received == -Int(EAGAIN) { return .nothing }
    let taken = Array(descriptors.prefix(Int(count)))
    // A record of no bytes is the end, too; but one may have come with descriptors.
    if cut != 0 || taken.count > ControlFormat.descriptorsMost || received == 0 && count > 0 {
      return .oversize(taken)
    }
    guard received > 0 else { return .ended }
    return .record(Array(room[..<min(received, room.count)]), taken)
  }
}
