import BusSystem
import BusText
import Glibc

/// The regular files below some directories, in one fixed order.
struct FileTree {
  struct File {
    /// Path from its root, as it travels in messages.
    let name: String
    let path: String
  }

  let files: [File]

  /// Finds every regular file; symbolic links are not followed.
  ///
  /// - Throws: `Failure` when a directory cannot be read.
  init(roots: [String]) throws {
    files = try roots.enumerated().flatMap { index, root in
      try Self.walk(root).map { File(name: "\(index)/\($0)", path: "\(root)/\($0)") }
    }
  }

  private static func walk(_ root: String) throws -> [String] {
    var found: [String] = []
    var folders = [""]
    while let folder = folders.popLast() {
      for name in try LeakCheck.names(in: folder.isEmpty ? root : "\(root)/\(folder)") {
        let relative = folder.isEmpty ? name : "\(folder)/\(name)"
        var facts = stat()
        guard unsafe lstat("\(root)/\(relative)", &facts) == 0 else { continue }
        switch facts.st_mode & S_IFMT {
        case S_IFREG: found.append(relative)
        case S_IFDIR: folders.append(relative)
        default: break
        }
      }
    }
    return found.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  /// Writes a tree of files whose number, names, sizes and bytes follow from a seed: some empty
  /// ones, many small ones, and a few of several MiB, larger than any log of this check.
  static func generate(at root: String, count: Int, seed: UInt64) throws {
    var random = SeededBytes(seed)
    for number in 0..<count {
      let folder = "\(root)/d\(number % 17)"
      if number < 17 { unsafe mkdir(folder, 0o700) }
      let size =
        switch number {
        case _ where number % 50 == 0: 0
        case 1, 2, 3: (4 << 20) + 1 + Int(random.next() % (2 << 20))
        default: Int(random.next() % (1 << (4 + random.next() % 12)))
        }
      try write(random.bytes(size), to: "\(folder)/file \(number).bin")
    }
  }

  private static func write(_ bytes: [UInt8], to path: String) throws {
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      throw Failure(
        "The file \(path) cannot be made: \(Errno.text(errno)).",
        remedy: "Make room in /tmp.", name: "SYSTEM")
    }
    defer { close(descriptor) }
    try Output.write(bytes, to: descriptor)
  }
}

/// Bytes that follow from a seed (SplitMix64).
struct SeededBytes {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  mutating func bytes(_ count: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + 8)
    while bytes.count < count {
      let word = next()
      for shift in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: word >> (8 * UInt64(shift)))) }
    }
    bytes.removeLast(bytes.count - count)
    return bytes
  }
}
