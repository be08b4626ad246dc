import BusMemory
import BusSystem
import BusWire
import Glibc

/// The name of the file that this process runs, for people who look; empty when it is not known.
func ownProgramName() -> String {
  let name = ProcessEnvironment.programPath?.split(separator: "/").last ?? ""
  // The frame holds a short text, and the router keeps no more of it.
  return String(name.prefix(60))
}

extension FileDescriptor {
  /// Takes a descriptor that was just made; throws when there was none left.
  convenience init(checking number: Int32) throws(BusError) {
    guard number >= 0 else {
      throw .resourceExhausted(
        "no descriptor is left for this process: \(Errno.text(errno))", cause: .descriptors)
    }
    self.init(number)
  }
}

extension EventFD {
  /// A new one; throws what a caller is told when there is none.
  static func make() throws(BusError) -> EventFD {
    do throws(SystemError) {
      return try EventFD()
    } catch {
      throw .system("no event descriptor: \(error.reason)")
    }
  }
}

/// The client's end of the control socket.
enum ControlSocket {
  /// Connects to the router in a run directory, if it is run by somebody to be trusted.
  ///
  /// Nothing is sent before that is known: the first frames carry descriptors of this agent's
  /// memory, and whoever is taken for the router may name any log as anybody's.
  static func connect(
    directory: String, trust: RouterTrust, deadline: Deadline
  ) throws(BusError) -> FileDescriptor {
    try trust.check(directory: directory)
    let descriptor = try connect(
      to: RunDirectory.socketPath(in: directory), in: directory, deadline)
    try trust.check(peerOf: descriptor, in: directory)
    return descriptor
  }

  private static func connect(
    to path: String, in directory: String, _ deadline: Deadline
  ) throws(BusError) -> FileDescriptor {
    let most = RecordSocket.pathBytesMax
    guard path.utf8.count <= most else {
      throw .invalid(
        "the socket's path has \(path.utf8.count) bytes, more than the \(most) that a socket may "
          + "have; choose a shorter run directory than \(directory)")
    }
    let number = RecordSocket.make()
    guard number >= 0 else { throw .system("no socket: \(Errno.text(-number))") }
    let descriptor = FileDescriptor(number)
    // Where a router takes nobody in and its queue is full the kernel waits, by this bound.
    // None at all would be without end.
    let leftNs = min(max(deadline.leftNs, 1_000_000), 3_600_000_000_000)
    var bound = timeval(
      tv_sec: Int(leftNs / 1_000_000_000), tv_usec: Int(leftNs % 1_000_000_000 / 1000))
    _ = unsafe setsockopt(
      number, SOL_SOCKET, SO_SNDTIMEO, &bound, socklen_t(MemoryLayout<timeval>.size))
    let connected = RecordSocket.connect(number, to: path)
    guard connected == 0 else {
      if connected == -EAGAIN { throw .timeout("the router did not answer in time") }
      guard connected != -EACCES else { throw .denied(refusal(by: directory)) }
      throw .noRouter("no router at \(path) (\(Errno.text(-connected)))")
    }
    return descriptor
  }

  /// Why the kernel keeps this user from a run directory's socket, and what to do.
  private static func refusal(by directory: String) -> String {
    var facts = stat()
    guard unsafe lstat(directory, &facts) == 0 else {
      return
        "user \(geteuid()) cannot look at \(directory) (\(Errno.text(errno))): open its parents "
        + "to this user, or name a directory of your own with --dir or BCS_DIR"
    }
    let mode = String(facts.st_mode & 0o777, radix: 8)
    return "user \(geteuid()) may not connect in \(directory), which belongs to user "
      + "\(facts.st_uid) (mode \(mode)): its router lets other users in only with a policy that "
      + "names them, so have it name user \(geteuid()), or run a router of your own and name its "
      + "directory with --dir or BCS_DIR"
  }

  /// Sends one frame without waiting; throws what the kernel refuses for good.
  static func send(
    _ socket: FileDescriptor, _ frame: [UInt8], _ descriptor: FileDescriptor?
  ) throws(BusError) -> RecordSocket.Sent {
    let sent = RecordSocket.send(frame, descriptor?.number, to: socket.number)
    if case .refused(let why) = sent {
      throw .system("the kernel did not take a frame: \(Errno.text(why))")
    }
    return sent
  }

  /// One frame that arrived.
  enum Received {
    /// A frame without its descriptors when this process has no room for them.
    case frame(bytes: [UInt8], descriptors: [FileDescriptor])
    case nothing
    /// The kernel is short of memory: to be tried again a little later.
    case starved
    case ended
  }

  /// Takes one frame without waiting; one that is too long for a frame ends the connection.
  static func receive(_ socket: FileDescriptor) -> Received {
    var room = [UInt8](repeating: 0, count: ControlFormat.frameBytesMax)
    let record: RecordSocket.Record
    switch RecordSocket.receive(socket.number, &room) {
    case .nothing: return .nothing
    case .starved: return .starved
    case .ended: return .ended
    case .record(let came): record = came
    }
    let descriptors = record.descriptors.map { FileDescriptor($0) }
    guard !record.isTruncated, !record.bytes.isEmpty,
      descriptors.count <= ControlFormat.descriptorsMax
    else { return .ended }
    // Which of several descriptors is missing cannot be told: none is kept.
    return .frame(
      bytes: record.bytes, descriptors: record.lacksDescriptors ? [] : descriptors)
  }
}

/// Runs a blocking call on a thread of its own, so that Swift's pool never blocks.
func blocking<Value: Sendable>(
  _ body: @escaping @Sendable () throws(BusError) -> Value
) async throws(BusError) -> Value {
  let result: Result<Value, BusError> = await withCheckedContinuation { continuation in
    let started = SystemThread.start("bcs-call") {
      do throws(BusError) {
        let value = try body()
        continuation.resume(returning: .success(value))
      } catch {
        continuation.resume(returning: .failure(error))
      }
    }
    if !started {
      continuation.resume(returning: .failure(.system("no thread: \(Errno.text(EAGAIN))")))
    }
  }
  return try result.get()
}
