public import Glibc

/// Calls `body` with the address of a socket in the file system, as connect and bind take it.
///
/// Of a path that no socket can have, what fits is used.
public func withUnixAddress(
  _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
) -> Int32 {
  var address = sockaddr_un()
  address.sun_family = sa_family_t(AF_UNIX)
  unsafe withUnsafeMutableBytes(of: &address.sun_path) { room in
    for (place, byte) in path.utf8.prefix(room.count - 1).enumerated() {
      unsafe room[place] = byte
    }
  }
  let size = socklen_t(MemoryLayout<sockaddr_un>.size)
  return unsafe withUnsafePointer(to: &address) { pointer in
    unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe body($0, size) }
  }
}
