import BusMemory
import BusWire
import CBusPlatform
import Glibc

// Sockets, descriptors and threads: every call into the C library that the client makes.

/// The value of an environment variable, nil when it is unset or empty.
func environment(_ name: String) -> String? {
  guard let value = unsafe getenv(name) else { return nil }
  let text = unsafe String(cString: value)
  return text.isEmpty ? nil : text
}

/// The name of the file that this process runs, for people who look; empty when it is not known.
func ownProgramName() -> String {
  var room = [CChar](repeating: 0, count: 4096)
  let count = unsafe readlink("/proc/self/exe", &room, room.count)
  guard count > 0 else { return "" }
  let bytes = room[..<count].map(UInt8.init(bitPattern:))
  let name = bytes.split(separator: UInt8(ascii: "/")).last ?? []
  // The frame holds a short text, and the router keeps no more of it.
  return String(String(decoding: name, as: UTF8.self).prefix(60))
}

/// A sentence for an error number.
func reason(_ number: Int32) -> String { unsafe String(cString: strerror(number)) }

/// A descriptor that closes itself.
package final class Descriptor: Sendable {
  let number: Int32
  init(_ number: Int32) { self.number = number }

  /// Takes a descriptor that was just made; throws when there was none left.
  convenience init(checking number: Int32) throws(BusError) {
    guard number >= 0 else {
      throw .resourceExhausted(
        "no descriptor is left for this process: \(reason(errno))", cause: .descriptors)
    }
    self.init(number)
  }

  deinit { close(number) }

  /// A second descriptor of the same file, which the caller owns.
  func duplicate() -> Int32 { fcntl(number, F_DUPFD_CLOEXEC, 0) }
}

/// The client's end of the control socket.
enum ControlSocket {
  /// Connects to the router in a run directory, if it is run by somebody to be trusted.
  ///
  /// Nothing is sent before that is known: the first frames carry descriptors of this agent's
  /// memory, and whoever is taken for the router may name any log as anybody's.
  static func connect(
    directory: String, trust: RouterTrust, deadlineNs: UInt64
  ) throws(BusError) -> Descriptor {
    try trust.check(directory: directory)
    let descriptor = try connect(
      to: RunDirectory.socketPath(in: directory), in: directory, deadlineNs)
    try trust.check(peerOf: descriptor, in: directory)
    return descriptor
  }

  private static func connect(
    to path: String, in directory: String, _ deadlineNs: UInt64
  ) throws(BusError) -> Descriptor {
    var address = sockaddr_un()
    let most = MemoryLayout.size(ofValue: address.sun_path) - 1
    guard path.utf8.count <= most else {
      throw .invalid(
        "the socket's path has \(path.utf8.count) bytes, more than the \(most) that a socket may "
          + "have; choose a shorter run directory than \(directory)")
    }
    address.sun_family = sa_family_t(AF_UNIX)
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { to in
      for (index, byte) in path.utf8.enumerated() { unsafe to[index] = byte }
    }
    let kind = Int32(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue)
    let number = socket(AF_UNIX, kind, 0)
    guard number >= 0 else { throw .system("no socket: \(reason(errno))") }
    let descriptor = Descriptor(number)
    let size = socklen_t(MemoryLayout<sockaddr_un>.size)
    // Where a router takes nobody in and its queue is full the kernel waits, by this bound.
    let now = HostClock.monotonicNs()
    // None at all would be without end.
    let leftNs = deadlineNs > now + 1_000_000 ? min(deadlineNs - now, 3_600_000_000_000) : 1_000_000
    var bound = timeval(
      tv_sec: Int(leftNs / 1_000_000_000), tv_usec: Int(leftNs % 1_000_000_000 / 1000))
    _ = unsafe setsockopt(
      number, SOL_SOCKET, SO_SNDTIMEO, &bound, socklen_t(MemoryLayout<timeval>.size))
    let connected = unsafe withUnsafePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe Glibc.connect(number, $0, size)
      }
    }
    guard connected == 0 else {
      let why = reason(errno)
      if errno == EAGAIN { throw .timeout("the router did not answer in time") }
      guard errno != EACCES else { throw .denied(refusal(by: directory)) }
      throw .noRouter("no router at \(path) (\(why))")
    }
    return descriptor
  }

  /// Why the kernel keeps this user from a run directory's socket, and what to do.
  private static func refusal(by directory: String) -> String {
    var facts = stat()
    guard unsafe lstat(directory, &facts) == 0 else {
      return "user \(geteuid()) cannot look at \(directory) (\(reason(errno))): open its parents "
        + "to this user, or name a directory of your own with --dir or BCS_DIR"
    }
    let mode = String(facts.st_mode & 0o777, radix: 8)
    return "user \(geteuid()) may not connect in \(directory), which belongs to user "
      + "\(facts.st_uid) (mode \(mode)): its router lets other users in only with a policy that "
      + "names them, so have it name user \(geteuid()), or run a router of your own and name its "
      + "directory with --dir or BCS_DIR"
  }

  /// What became of a frame.
  enum Sent {
    case sent
    /// The socket's buffer has no room: it becomes writable later.
    case full
    /// The kernel is short of something else, and does not say when it is there again.
    case starved
    /// The other end is gone, which the next receive finds, too.
    case ended
  }

  /// Sends one frame without waiting.
  static func send(
    _ socket: Descriptor, _ frame: [UInt8], _ descriptor: Descriptor?
  ) throws(BusError) -> Sent {
    var numbers = descriptor.map { [$0.number] } ?? []
    let count = Int32(numbers.count)
    let sent = unsafe plat_send(socket.number, frame, frame.count, &numbers, count)
    switch -sent {
    case EAGAIN, EWOULDBLOCK: return .full
    // Too many descriptors of this user are on their way, or memory is short.
    case ENOBUFS, ENOMEM, ETOOMANYREFS: return .starved
    case EPIPE, ECONNRESET, ENOTCONN: return .ended
    default: break
    }
    guard sent >= 0 else { throw .system("the kernel did not take a frame: \(reason(-sent))") }
    return .sent
  }

  /// One frame that arrived.
  enum Received {
    /// `isCut`: descriptors came with it for which this process has no room.
    case frame(bytes: [UInt8], descriptors: [Descriptor], isCut: Bool)
    case nothing
    case ended
  }

  static func receive(_ socket: Descriptor) -> Received {
    var bytes = [UInt8](repeating: 0, count: ControlFormat.frameBytesMost)
    var numbers = [Int32](repeating: -1, count: ControlFormat.descriptorsMost)
    var count: Int32 = 0
    let room = bytes.count
    let most = Int32(numbers.count)
    var lost: Int32 = 0
    let read = unsafe plat_receive_what_fits(
      socket.number, &bytes, room, &numbers, most, &count, &lost)
    if read == -Int(EAGAIN) { return .nothing }
    guard read > 0 else { return .ended }
    bytes.removeLast(bytes.count - read)
    return .frame(
      bytes: bytes, descriptors: numbers.prefix(Int(count)).map { Descriptor($0) },
      isCut: lost != 0)
  }
}

/// An event counter that another thread can raise to end a poll.
final class Bell: Sendable {
  let descriptor: Descriptor

  init() throws(BusError) {
    let number = plat_event()
    guard number >= 0 else { throw .system("no event descriptor: \(reason(-number))") }
    descriptor = Descriptor(number)
  }

  func ring() { plat_event_raise(descriptor.number) }

  func silence() { plat_event_clear(descriptor.number) }

  /// Waits for the bell or the socket; true when the socket has something or ended.
  func wait(
    orSocket socket: Descriptor?, writable: Bool, milliseconds: Int32
  ) -> Bool {
    let wanted = Int16(POLLIN) | (writable ? Int16(POLLOUT) : 0)
    var watched = [
      pollfd(fd: descriptor.number, events: Int16(POLLIN), revents: 0),
      pollfd(fd: socket?.number ?? -1, events: wanted, revents: 0),
    ]
    _ = unsafe poll(&watched, nfds_t(watched.count), milliseconds)
    if watched[0].revents != 0 { silence() }
    return watched[1].revents != 0
  }
}

/// Starts a thread of ours: small stack, no signals, running `body` once.
@discardableResult
func startThread(_ name: String, _ body: @escaping @Sendable () -> Void) -> Bool {
  final class Box {
    let name: String
    let body: @Sendable () -> Void
    init(_ name: String, _ body: @escaping @Sendable () -> Void) {
      self.name = name
      self.body = body
    }
  }
  let box = unsafe Unmanaged.passRetained(Box(name, body))
  let started = unsafe plat_start_thread(
    { raw in
      guard let raw = unsafe raw else { return nil }
      let box = unsafe Unmanaged<Box>.fromOpaque(raw).takeRetainedValue()
      unsafe plat_name_thread(String(box.name.prefix(15)))
      box.body()
      return nil
    }, box.toOpaque())
  if started != 0 { unsafe box.release() }
  return started == 0
}

/// Runs a blocking call on a thread of its own, so that Swift's pool never blocks.
func blocking<Value: Sendable>(
  _ body: @escaping @Sendable () throws(BusError) -> Value
) async throws(BusError) -> Value {
  let result: Result<Value, BusError> = await withCheckedContinuation { continuation in
    let started = startThread("bcs-call") {
      do throws(BusError) {
        let value = try body()
        continuation.resume(returning: .success(value))
      } catch {
        continuation.resume(returning: .failure(error))
      }
    }
    if !started {
      continuation.resume(returning: .failure(.system("no thread: \(reason(EAGAIN))")))
    }
  }
  return try result.get()
}
