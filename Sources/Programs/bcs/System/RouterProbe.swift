import BinaryComm
import BusSystem
import Glibc

/// Whether somebody answers on a router's socket, without becoming an agent.
enum RouterProbe {
  /// Why nobody does, in the system's words; nil when somebody does.
  static func refusal(of path: String) -> String? {
    // Without a wait: where the queue is full somebody is there.
    let socket = RecordSocket.make(nonblocking: true)
    guard socket >= 0 else { return nil }
    defer { close(socket) }
    // Of a path that no socket can have whoever connects is told.
    let result = RecordSocket.connect(socket, to: path)
    return result == -ENOENT || result == -ECONNREFUSED ? Errno.text(-result) : nil
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
