import BusRouting
import CBusPlatform
import Glibc

/// The lock file of a run directory: who runs there, and the key of its tickets.
///
/// The lock is the kernel's (flock), so it ends with the process. What stays, however the process
/// ended, is the file: by its key the next router knows the agents of this one again.
struct RouterLock: ~Copyable {
  /// The key of the tickets.
  let key: [UInt8]
  /// The router whose key it was.
  let former: FormerRouter
  private let path: String
  private let descriptor: Int32

  /// Takes the lock, or says who holds it.
  init(_ path: String, freshKey: [UInt8]) throws(RouterFailure) {
    let file = try Self.lock(path)
    let note = LockNote.read(file)
    let former = note.flatMap { $0.key.count == freshKey.count && $0.isOfThisBoot ? $0 : nil }
    let failure = LockNote(pid: getpid(), key: former?.key ?? freshKey).write(to: file)
    guard failure == 0 else {
      close(file)
      throw .system("Writing \(path)", failure)
    }
    self.path = path
    descriptor = file
    key = former?.key ?? freshKey
    self.former =
      former.map { note in
        guard note.pid == 0 else { return .killed }
        return note.leavesAgents ? .stopped : .empty
      } ?? .unknown
  }

  /// A lock with the key of one whose file was removed.
  init(again path: String, key: [UInt8]) throws(RouterFailure) {
    let file = try Self.lock(path)
    let failure = LockNote(pid: getpid(), key: key).write(to: file)
    guard failure == 0 else {
      close(file)
      throw .system("Writing \(path)", failure)
    }
    self.path = path
    descriptor = file
    self.key = key
    former = .unknown
  }

  deinit { close(descriptor) }

  /// Whether the file that other routers will find is the one that is locked.
  var isInPlace: Bool { Self.isCurrent(descriptor, path) }

  /// Notes that this router ended in order; the key stays, unless the file is another's.
  ///
  /// `leavingAgents`: whether there may be agents that come back to the next router.
  borrowing func end(leavingAgents: Bool) {
    guard isInPlace else { return }
    // When the note cannot be written, the next router takes this one for killed.
    _ = LockNote(pid: 0, leavesAgents: leavingAgents, key: key).write(to: descriptor)
  }

  /// Leaves as it was found what a router that could not start has locked.
  borrowing func giveUp() {
    switch former {
    case .unknown: PathMark(of: descriptor)?.remove(path)
    case .empty: end(leavingAgents: false)
    case .stopped: end(leavingAgents: true)
    case .killed: break
    }
  }

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
        let holder = LockNote.read(file)?.pid ?? 0
        close(file)
        guard reason == EWOULDBLOCK else { throw .system("Locking \(path)", reason) }
        let who = holder > 0 ? "Process \(holder)" : "A process that is just starting"
        throw RouterFailure(
          "\(who) is the router of this directory already: "
            + "use it, end it, or start this one with another --dir.", isTaken: true)
      }
      if isCurrent(file, path) { return file }
      // The former router removed the file between our open and our lock.
      close(file)
    }
    throw RouterFailure("\(path) is removed again and again: end the other routers first.")
  }

  /// What does not look like our own file is not read: it would be believed.
  private static func check(_ file: Int32, _ path: String) throws(RouterFailure) {
    var status = stat()
    guard unsafe fstat(file, &status) == 0 else { throw .system("fstat of \(path)", errno) }
    guard status.st_mode & S_IFMT == S_IFREG, status.st_uid == geteuid(),
      status.st_mode & 0o077 == 0
    else {
      throw RouterFailure(
        "\(path) is not a file that only this user may read; it holds a secret key: remove it.")
    }
    // No link: it was removed after it was opened, and is opened anew.
    guard status.st_nlink <= 1, status.st_size <= LockNote.bytesMax else {
      throw RouterFailure(
        "\(path) has \(status.st_nlink) names and \(status.st_size) bytes, which no router's "
          + "lock file has: remove it.")
    }
  }

  private static func isCurrent(_ file: Int32, _ path: String) -> Bool {
    guard let ours = PathMark(of: file) else { return false }
    return PathMark(path) == ours
  }
}
