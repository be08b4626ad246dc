import Glibc

/// The calls to the system that a policy file needs.
enum SystemCalls {
  /// What `fstat` tells of an open file.
  struct FileFacts {
    let isRegular: Bool
    let mode: UInt32
    let owner: UInt32
  }

  /// Opens a file to read it; never waits, not even for a pipe without writer.
  ///
  /// - Returns: the descriptor, or `errno` negated.
  static func open(_ path: String) -> Int32 {
    let descriptor = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
    return descriptor >= 0 ? descriptor : -errno
  }

  static func close(_ descriptor: Int32) {
    _ = Glibc.close(descriptor)
  }

  static func facts(of descriptor: Int32) -> FileFacts? {
    var facts = stat()
    guard unsafe fstat(descriptor, &facts) == 0 else { return nil }
    return FileFacts(
      isRegular: facts.st_mode & S_IFMT == S_IFREG, mode: facts.st_mode & 0o7777,
      owner: facts.st_uid)
  }

  /// Reads to the end of a file, at most `limit` bytes.
  ///
  /// - Returns: the bytes, or nil with `errno` set.
  static func read(_ descriptor: Int32, limit: Int) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: limit)
    var filled = 0
    while filled < limit {
      let count = unsafe bytes.withUnsafeMutableBytes { buffer in
        unsafe Glibc.read(descriptor, buffer.baseAddress.map { unsafe $0 + filled }, limit - filled)
      }
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { return nil }
      if count == 0 { break }
      filled += count
    }
    return Array(bytes[..<filled])
  }

  /// Whether something lies at a path; true too when the system does not let us know.
  static func mayExist(_ path: String) -> Bool {
    var facts = stat()
    if unsafe lstat(path, &facts) == 0 { return true }
    return errno != ENOENT && errno != ENOTDIR
  }

  static var userID: UInt32 { geteuid() }

  static var lastError: Int32 { errno }

  /// The number of a user this host knows by name.
  static func uid(of name: String) -> UInt32? {
    var entry = unsafe passwd()
    var found: UnsafeMutablePointer<passwd>?
    var buffer = [CChar](repeating: 0, count: 16 << 10)
    let code = unsafe getpwnam_r(name, &entry, &buffer, buffer.count, &found)
    guard code == 0, unsafe found != nil else { return nil }
    return unsafe entry.pw_uid
  }
}
