import BusText
import CBusPlatform
import Glibc

/// The system's words for an error number.
func errorText(_ error: Int32) -> String {
  unsafe String(cString: strerror(error))
}

/// What this process runs on.
enum Machine {
  /// The CPUs this process may use, lowest first.
  static var allowedCPUs: [Int32] {
    var cpus = [Int32](repeating: 0, count: 1024)
    let count = unsafe plat_allowed_cpus(&cpus, Int32(cpus.count))
    return Array(cpus.prefix(max(0, Int(count))))
  }

  /// Pins the calling thread; false when the kernel refuses.
  static func pin(to cpu: Int32) -> Bool { plat_pin(cpu) == 0 }

  /// True when counter readings of different processes can be compared.
  static var hasConstantCounter: Bool { plat_ticks_constant() == 1 }

  /// The value of an environment variable; nil when it is not set or empty.
  static func environment(_ name: String) -> String? {
    guard let value = unsafe getenv(name) else { return nil }
    let text = unsafe String(cString: value)
    return text.isEmpty ? nil : text
  }

  /// All environment variables as `NAME=value`.
  static var environment: [String] {
    var all: [String] = []
    var at = unsafe environ
    while let one = unsafe at.pointee {
      unsafe all.append(String(cString: one))
      unsafe at += 1
    }
    return all
  }

  /// The path of the running program; nil when it was removed or replaced.
  static var executable: String? {
    var room = [CChar](repeating: 0, count: 4096)
    let count = unsafe readlink("/proc/self/exe", &room, room.count)
    guard count > 0, count < room.count else { return nil }
    let path = String(decoding: room[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return unsafe access(path, X_OK) == 0 ? path : nil
  }

  /// This process.
  static var pid: Int32 { getpid() }

  /// True when somebody listens on the socket.
  static func answers(_ path: String) -> Bool {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return false }
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { room in
      unsafe room.copyBytes(from: bytes)
    }
    let socket = socket(
      AF_UNIX, Int32(SOCK_SEQPACKET.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
    guard socket >= 0 else { return false }
    defer { close(socket) }
    return unsafe withUnsafePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { general in
        // A full queue is somebody's, too.
        unsafe connect(socket, general, UInt32(MemoryLayout<sockaddr_un>.size)) == 0
          || errno == EAGAIN
      }
    }
  }

  /// True when standard error is a terminal.
  static var showsProgress: Bool { isatty(2) == 1 }

  /// Writes a line to standard error.
  static func say(_ line: TerminalText) { writeAll("\(line)\n", to: 2) }

  /// Writes a piece of a line to standard error.
  static func mark(_ text: TerminalText) { writeAll(text.description, to: 2) }
}

extension Machine {
  /// Keeps the numbers of the standard descriptors, those that the parent closed too, from files.
  static func holdStandardDescriptors() { plat_hold_standard_descriptors() }

  /// Writes a result to standard output; that its reader has had enough is no failure.
  static func show(_ text: TerminalText) throws(BenchError) {
    guard !writeAll("\(text)\n", to: 1), errno != EPIPE else { return }
    throw .system("writing the results", error: errno)
  }
}

/// Writes all of a text; false, with the reason in `errno`, when the system refuses.
@discardableResult
func writeAll(_ text: String, to descriptor: Int32) -> Bool {
  var rest = Array(text.utf8)[...]
  while !rest.isEmpty {
    let count = unsafe rest.withUnsafeBytes { bytes in
      unsafe write(descriptor, bytes.baseAddress, bytes.count)
    }
    if count < 0 && errno == EINTR { continue }
    guard count > 0 else { return false }
    rest = rest.dropFirst(count)
  }
  return true
}
