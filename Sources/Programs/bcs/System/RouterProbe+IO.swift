import BinaryComm
import BusSystem
import Glibc

/// Whether somebody answers on a router's socket, without becoming an agent.
enum RouterProbe {
  /// Why nobody does, in the system's words; nil when somebody does.
  static func refusal(of path: String) -> String? {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    // A path that no socket can have: whoever connects says so.
    guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return nil }
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { room in
      unsafe room.copyBytes(from: bytes)
    }
    // Without a wait: where the queue is full somebody is there.
    let socket = socket(
      AF_UNIX, Int32(SOCK_SEQPACKET.rawValue) | O_CLOEXEC | Int32(SOCK_NONBLOCK.rawValue), 0)
    guard socket >= 0 else { return nil }
    defer { close(socket) }
    let result = unsafe withUnsafePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { general in
        unsafe connect(socket, general, UInt32(MemoryLayout<sockaddr_un>.size))
      }
    }
    let isAbsent = errno == ENOENT || errno == ECONNREFUSED
    return result == 0 || !isAbsent ? nil : Errno.text(errno)
  }

  /// The process that says it is the router of a runtime directory, and whether it is stopped.
  static func process(in directory: String) -> (pid: Int32, isStopped: Bool)? {
    guard let lock = try? Input.file("\(directory)/router.lock", limit: 4096) else { return nil }
    let words = String(decoding: lock, as: UTF8.self).split(separator: "\n").first?
      .split(separator: " ")
    guard let words, words.count == 2, words[0] == "pid", let pid = Int32(words[1]), pid > 0,
      kill(pid, 0) == 0 || errno == EPERM
    else { return nil }
    let stat = (try? Input.file("/proc/\(pid)/stat", limit: 4096)) ?? []
    // The state stands behind the name, which may hold anything, a bracket as well.
    let state = stat.lastIndex(of: UInt8(ascii: ")")).map { stat.dropFirst($0 + 2).first }
    return (pid, state == UInt8(ascii: "T"))
  }
}
