import CBusPlatform
import Glibc

/// The calls of a Unix socket that keeps records apart (`SOCK_SEQPACKET`) and carries descriptors
/// beside them: what both ends of the control connection use.
package enum RecordSocket {
  /// A new socket that no program started from here inherits; -errno when there is none.
  package static func make(nonblocking: Bool = false) -> Int32 {
    let kind = Int32(SOCK_SEQPACKET.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    let number = Glibc.socket(
      AF_UNIX, nonblocking ? kind | Int32(SOCK_NONBLOCK.rawValue) : kind, 0)
    return number >= 0 ? number : -errno
  }

  /// Two connected sockets; nil when the kernel refuses.
  package static func pair() -> (Int32, Int32)? {
    var ends: [Int32] = [-1, -1]
    let kind = Int32(SOCK_SEQPACKET.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    guard unsafe socketpair(AF_UNIX, kind, 0, &ends) == 0 else { return nil }
    return (ends[0], ends[1])
  }

  /// Connects to the path of a listening socket; 0 or -errno.
  package static func connect(_ socket: Int32, to path: String) -> Int32 {
    unsafe withAddress(path) { unsafe Glibc.connect(socket, $0, $1) }
  }

  /// Gives a socket its path; 0 or -errno.
  package static func bind(_ socket: Int32, to path: String) -> Int32 {
    unsafe withAddress(path) { unsafe Glibc.bind(socket, $0, $1) }
  }

  /// The most bytes that the path of a socket may have.
  package static var pathBytesMax: Int { MemoryLayout.size(ofValue: sockaddr_un().sun_path) - 1 }

  private static func withAddress(
    _ path: String, _ call: (UnsafePointer<sockaddr>, socklen_t) -> Int32
  ) -> Int32 {
    guard path.utf8.count <= pathBytesMax else { return -ENAMETOOLONG }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { room in
      unsafe room.copyBytes(from: path.utf8)
    }
    let size = socklen_t(MemoryLayout<sockaddr_un>.size)
    let result = unsafe withUnsafePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe call($0, size) }
    }
    return result == 0 ? 0 : -errno
  }

  /// What became of a record.
  package enum Sent: Equatable {
    case sent
    /// The socket's buffer has no room: it becomes writable later.
    case full
    /// The kernel is short of something else, and does not say when it is there again: memory, or
    /// descriptors of this user that may be on their way.
    case starved
    /// The other end is gone.
    case ended
    /// The kernel refuses it for another reason, a number of `errno`.
    case refused(Int32)
  }

  /// Sends one record without waiting.
  package static func send(_ bytes: [UInt8], _ descriptor: Int32?, to socket: Int32) -> Sent {
    let count: Int32 = descriptor == nil ? 0 : 1
    let result = unsafe plat_send(socket, bytes, bytes.count, [descriptor ?? -1], count)
    switch -result {
    case 0: return .sent
    case EAGAIN, EWOULDBLOCK: return .full
    case ENOBUFS, ENOMEM, ETOOMANYREFS: return .starved
    case EPIPE, ECONNRESET, ENOTCONN: return .ended
    default: return .refused(-result)
    }
  }

  /// What a socket gave.
  package enum Received: Equatable {
    /// Nothing waits.
    case nothing
    /// The kernel is short of memory, and does not say when it is there again: to be tried again.
    case starved
    /// The other end is gone.
    case ended
    /// A record, and the descriptors that came with it, which are the caller's to close.
    case record(Record)

    /// What it means that the kernel gave nothing, by its number of `errno`.
    package init(failure: Int32) {
      self =
        switch failure {
        case EAGAIN, EWOULDBLOCK: .nothing
        case ENOBUFS, ENOMEM: .starved
        default: .ended
        }
    }
  }

  /// A record as it came.
  package struct Record: Equatable {
    /// Its bytes, as far as there was room for them.
    package var bytes: [UInt8]
    /// Its descriptors, as far as this process has room for them.
    package var descriptors: [Int32]
    /// It had more bytes than there was room for.
    package var isTruncated: Bool
    /// It had more descriptors than this process has room for.
    package var lacksDescriptors: Bool

    /// A record.
    package init(
      bytes: [UInt8], descriptors: [Int32], isTruncated: Bool, lacksDescriptors: Bool
    ) {
      self.bytes = bytes
      self.descriptors = descriptors
      self.isTruncated = isTruncated
      self.lacksDescriptors = lacksDescriptors
    }
  }

  /// Takes one record into `room` without waiting.
  package static func receive(_ socket: Int32, _ room: inout [UInt8]) -> Received {
    var descriptors = [Int32](repeating: -1, count: Int(PLAT_RECEIVED_DESCRIPTORS))
    var count: Int32 = 0
    var cut: Int32 = 0
    let length = unsafe plat_receive_all(socket, &room, room.count, &descriptors, &count, &cut)
    if length < 0 { return Received(failure: Int32(clamping: -length)) }
    // A record of no bytes is the end, too; but one may have come with descriptors.
    guard length > 0 || count > 0 || cut != 0 else { return .ended }
    return .record(
      Record(
        bytes: Array(room[..<min(length, room.count)]),
        descriptors: Array(descriptors.prefix(Int(count))),
        isTruncated: cut & Int32(PLAT_CUT_BYTES) != 0,
        lacksDescriptors: cut & Int32(PLAT_CUT_DESCRIPTORS) != 0))
  }
}
