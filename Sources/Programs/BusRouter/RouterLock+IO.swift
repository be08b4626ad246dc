import CBusPlatform
import Glibc

/// The lock file of a run directory: who runs there, and the key of its tickets.
///
/// The lock is the kernel's (flock), so it ends with the process; what stays after a `kill -9` is
/// the file, whose key lets the next router know the agents of this one again.
struct RouterLock: ~Copyable {
  /// The key of the tickets.
  let key: [UInt8]
  /// Whether the key was a former router's, which did not end cleanly.
  let tookOver: Bool
  private let path: String
  private let descriptor: Int32

  /// Takes the lock, or says who holds it.
  init(_ path: String, freshKey: [UInt8]) throws(RouterFailure) {
    let file = try Self.lock(path)
    let former = Self.read(file).key.flatMap { $0.count == freshKey.count ? $0 : nil }
    let failure = Self.write(Self.text(pid: getpid(), former ?? freshKey), to: file)
    guard failure == 0 else {
      close(file)
      throw .system("Writing \(path)", failure)
    }
    self.path = path
    descriptor = file
    key = former ?? freshKey
    tookOver = former != nil
  }

  /// A lock with the key of one whose file was removed.
  init(again path: String, key: [UInt8]) throws(RouterFailure) {
    let file = try Self.lock(path)
    let failure = Self.write(Self.text(pid: getpid(), key), to: file)
    guard failure == 0 else {
      close(file)
      throw .system("Writing \(path)", failure)
    }
    self.path = path
    descriptor = file
    self.key = key
    tookOver = false
  }

  deinit { close(descriptor) }

  /// Whether the file that other routers will find is the one that is locked.
  var isInPlace: Bool { Self.isCurrent(descriptor, path) }

  /// Removes the file, unless it is another router's; the next one starts with a key of its own.
  borrowing func remove() { PathMark(of: descriptor)?.remove(path) }

  private static func lock(_ path: String) throws(RouterFailure) -> Int32 {
    for _ in 0..<100 {
      let file = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
      guard file >= 0 else {
        throw .system(
          "Opening \(path)", errno, hint: "Remove what lies there, or name another --dir.")
      }
      do {
        try check(file, path)
      } catch {
        close(file)
        throw error
      }
      guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
        let reason = errno
        let holder = read(file).pid
        close(file)
        guard reason == EWOULDBLOCK else { throw .system("Locking \(path)", reason) }
        let who = holder.map { "Process \($0)" } ?? "A process that is just starting"
        throw RouterFailure(
          "\(who) is the router of this directory already: "
            + "use it, end it, or start this one with another --dir.")
      }
      if isCurrent(file, path) { return file }
      // The former router removed the file between our open and our lock.
      close(file)
    }
    throw RouterFailure("\(path) is removed again and again: end the other routers first.")
  }

  private static func check(_ file: Int32, _ path: String) throws(RouterFailure) {
    var status = stat()
    guard unsafe fstat(file, &status) == 0 else { throw .system("fstat of \(path)", errno) }
    guard status.st_mode & S_IFMT == S_IFREG, status.st_uid == geteuid(),
      status.st_mode & 0o077 == 0
    else {
      throw RouterFailure(
        "\(path) is not a file that only this user may read; it holds a secret key: remove it.")
    }
  }

  private static func isCurrent(_ file: Int32, _ path: String) -> Bool {
    guard let ours = PathMark(of: file) else { return false }
    return PathMark(path) == ours
  }

  private static func text(pid: Int32, _ key: [UInt8]) -> [UInt8] {
    let digits = Array("0123456789abcdef".utf8)
    var bytes = Array("pid \(pid)\nkey ".utf8)
    for byte in key {
      bytes.append(digits[Int(byte >> 4)])
      bytes.append(digits[Int(byte & 15)])
    }
    return bytes + Array("\n".utf8)
  }

  /// Returns 0 or the error number.
  private static func write(_ text: [UInt8], to file: Int32) -> Int32 {
    guard ftruncate(file, 0) == 0 else { return errno }
    let written = unsafe pwrite(file, text, text.count, 0)
    return written == text.count ? 0 : (written < 0 ? errno : ENOSPC)
  }

  private static func read(_ file: Int32) -> (pid: Int32?, key: [UInt8]?) {
    var room = [UInt8](repeating: 0, count: 512)
    let count = unsafe pread(file, &room, room.count, 0)
    guard count > 0 else { return (nil, nil) }
    var found: (pid: Int32?, key: [UInt8]?) = (nil, nil)
    for line in String(decoding: room[..<count], as: UTF8.self).split(separator: "\n") {
      let words = line.split(separator: " ")
      guard words.count == 2 else { continue }
      if words[0] == "pid" { found.pid = Int32(words[1]) }
      if words[0] == "key" { found.key = bytes(hex: words[1]) }
    }
    return found
  }

  private static func bytes(hex: Substring) -> [UInt8]? {
    guard hex.utf8.count % 2 == 0 else { return nil }
    var rest = hex
    var bytes: [UInt8] = []
    while !rest.isEmpty {
      guard let byte = UInt8(rest.prefix(2), radix: 16) else { return nil }
      bytes.append(byte)
      rest = rest.dropFirst(2)
    }
    return bytes
  }
}
