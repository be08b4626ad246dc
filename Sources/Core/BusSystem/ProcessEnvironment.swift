import CBusPlatform
import Glibc

/// What this process was started with.
package enum ProcessEnvironment {
  /// The value of an environment variable; nil when it is not set or empty.
  package static func variable(_ name: String) -> String? {
    guard let value = unsafe getenv(name) else { return nil }
    let text = unsafe String(cString: value)
    return text.isEmpty ? nil : text
  }

  /// All environment variables as `NAME=value`.
  package static var variables: [String] {
    var all: [String] = []
    var next = unsafe environ
    while let text = unsafe next.pointee {
      all.append(unsafe String(cString: text))
      unsafe next += 1
    }
    return all
  }

  /// The path of the running program, with ` (deleted)` behind it when its file is gone; nil when
  /// the kernel does not say.
  package static var programPath: String? {
    var room = [CChar](repeating: 0, count: 4097)
    let count = unsafe readlink("/proc/self/exe", &room, 4096)
    guard count > 0 else { return nil }
    return String(decoding: room[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  /// The path of a program that lies beside this one; the name alone when that is not known.
  package static func sibling(_ name: String) -> String {
    guard let path = programPath, let slash = path.lastIndex(of: "/") else { return name }
    return path[...slash] + name
  }

  /// Has the kernel keep the ends of children until they are asked for, whatever the parent chose.
  package static func keepEndsOfChildren() { _ = signal(SIGCHLD, SIG_DFL) }

  /// Keeps the numbers of the standard descriptors, those that the parent closed too, from files.
  package static func holdStandardDescriptors() { plat_hold_standard_descriptors() }
}
