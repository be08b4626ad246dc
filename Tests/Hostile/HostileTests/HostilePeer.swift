import BusSystem
import BusTestSupport
import BusWire
import CBusPlatform
import Glibc

/// A peer without the client library: a raw socket to the router, frames written byte by byte, and
/// memory of its own in which it may write whatever it likes.
final class HostilePeer: @unchecked Sendable {
  // @unchecked Sendable: one row uses it, and waits for its own threads before it ends.
  let socket: Int32
  private var received: [Int32] = []
  private(set) var incarnation: UInt64 = 0
  private(set) var uuid = BusUUID.zero
  private(set) var segment: RawReaderSegment?
  private var lastRequest: UInt32 = 100
  private var isOpen = true
  /// Frames that came, wanted or not: what the router can be made to say.
  private(set) var framesReceived = 0
  /// Records sent.
  private(set) var framesSent = 0

  init(_ path: String) throws {
    // Closed on exec: a child of another row must not keep this peer alive.
    socket = RecordSocket.make()
    let result = RecordSocket.connect(socket, to: path)
    guard result == 0 else {
      Glibc.close(socket)
      isOpen = false
      throw SetUpFailure("connect to \(path): error \(-result)")
    }
  }

  /// The other end of a connection that was accepted: a peer that plays the router.
  init(accepted: Int32) { socket = accepted }

  deinit { leave() }

  /// Closes the socket and everything received, as a death would.
  func leave() {
    guard isOpen else { return }
    isOpen = false
    Glibc.close(socket)
    for descriptor in received { Glibc.close(descriptor) }
    received = []
  }

  // MARK: Bytes

  /// Sends bytes as one record; false when the router has ended the connection.
  @discardableResult
  func send(_ bytes: [UInt8], _ descriptors: [Int32] = []) throws -> Bool {
    for _ in 0..<20_000 {
      let result = unsafe plat_send(
        socket, bytes, bytes.count, descriptors, Int32(descriptors.count))
      if result == 0 {
        framesSent += 1
        return true
      }
      if result == -EPIPE || result == -ECONNRESET || result == -ENOTCONN { return false }
      guard result == -EAGAIN || result == -ENOBUFS || result == -ETOOMANYREFS else {
        throw SetUpFailure("send: error \(-result)")
      }
      usleep(1000)
    }
    throw SetUpFailure("the router has not read for 20 s")
  }

  /// What came next.
  enum Next {
    case frame(RawReply)
    case ended
    case nothing
  }

  /// The next frame, waited for at most so many milliseconds.
  func next(waiting milliseconds: Int = 10_000) throws -> Next {
    var room = [UInt8](repeating: 0, count: 65536)
    var descriptors = [Int32](repeating: -1, count: 8)
    var count: Int32 = 0
    for _ in 0...milliseconds {
      let length = unsafe plat_receive(socket, &room, room.count, &descriptors, 8, &count)
      if length == -Int(EAGAIN) {
        usleep(1000)
        continue
      }
      guard length > 0 else { return .ended }
      let came = Array(descriptors.prefix(Int(count)))
      received += came
      framesReceived += 1
      guard let reply = RawReply(Array(room[..<length]), came) else {
        throw SetUpFailure("the router sent \(length) bytes, which is no frame")
      }
      return .frame(reply)
    }
    return .nothing
  }

  /// Sends a frame and returns its answer; nil when the router ended the connection first.
  func ask(_ frame: RawFrame, _ descriptors: [Int32] = []) throws -> RawReply? {
    var bytes = frame.bytes
    lastRequest += 1
    for place in 0..<4 {
      bytes[8 + place] = UInt8(truncatingIfNeeded: lastRequest >> UInt32(8 * place))
    }
    guard try send(bytes, descriptors) else { return nil }
    return try answer(to: lastRequest)
  }

  /// The answer to a request, what comes before it passed over; rows are no answer.
  func answer(to request: UInt32) throws -> RawReply? {
    while true {
      switch try next() {
      case .frame(let reply):
        if reply.request == request, reply.kind != RawReply.Kind.row { return reply }
      case .ended: return nil
      case .nothing: throw SetUpFailure("no answer to request \(request) in 10 s")
      }
    }
  }

  /// The next frame of a kind, what comes before it passed over.
  func wait(for kind: UInt16) throws -> RawReply {
    while true {
      switch try next() {
      case .frame(let reply): if reply.kind == kind { return reply }
      case .ended: throw SetUpFailure("the router ended the connection before frame \(kind)")
      case .nothing: throw SetUpFailure("no frame \(kind) in 10 s")
      }
    }
  }

  /// Whether the router ends this connection; what still comes is passed over.
  func isEnded() throws -> Bool {
    while true {
      switch try next(waiting: 5000) {
      case .frame: continue
      case .ended: return true
      case .nothing: return false
      }
    }
  }

  // MARK: Steps that most attacks begin with

  /// Says hello; the incarnation is known from then on.
  func hello() throws {
    let shape = FrameShape.fromAgents[0]
    guard let answer = try ask(RawFrame(shape)), answer.kind == RawReply.Kind.welcome else {
      throw SetUpFailure("hello was refused")
    }
    incarnation = answer.number(8, 8)
  }

  /// Says hello and registers under a name, with the UUID that belongs to it.
  func register(_ name: String) throws {
    try hello()
    uuid = BusUUID(agentName: name)
    let segment = try RawReaderSegment(owner: uuid, incarnation: incarnation)
    self.segment = segment
    guard let answer = try register(name, uuid, segment), answer.kind == RawReply.Kind.registered
    else { throw SetUpFailure("\(name) was not registered") }
  }

  /// Sends the frame alone; nil when the router ended the connection.
  func register(
    _ name: String, _ uuid: BusUUID, _ segment: RawReaderSegment
  ) throws -> RawReply? {
    var frame = RawFrame(kind: 2)
    frame.text(Array(name.utf8))
    frame.text(Array("hostile".utf8))
    for byte in uuid.bytes { frame.number(UInt64(byte), 1) }
    return try ask(frame, [segment.memory.descriptor])
  }

  /// A sound log of this peer, not handed in yet.
  func log(
    _ channel: String, capacity: Int = 16384, topicsBytes: Int = 4096, generation: UInt32 = 0
  ) throws -> RawLog {
    try RawLog(
      owner: uuid, incarnation: incarnation, channel: channel, capacity: capacity,
      topicsBytes: topicsBytes, generation: generation)
  }

  /// Hands a log in and returns the router's answer.
  func restore(_ log: RawLog, stream: UInt64 = 0) throws -> RawReply? {
    var frame = RawFrame(kind: 3)
    frame.number(stream, 8)
    frame.text(Array(log.channel.utf8))
    frame.number(UInt64(log.generation), 4)
    frame.number(UInt64(log.capacity), 8)
    frame.number(UInt64(log.memory.bytes), 8)
    return try ask(frame, [log.memory.descriptor])
  }

  /// Hands a log in that must be taken; returns its stream.
  @discardableResult
  func open(_ log: RawLog) throws -> UInt64 {
    guard let answer = try restore(log), answer.kind == RawReply.Kind.logAdded else {
      throw SetUpFailure("the log on \(log.channel) was not taken")
    }
    return answer.number(0, 8)
  }

  /// Lets the next reader in that the router names; returns its attachment.
  @discardableResult
  func letIn(
    generation: UInt64 = 0, position: UInt64 = 0, sequence: UInt64 = 0, departed: UInt64 = 0
  ) throws -> UInt64 {
    let join = try wait(for: RawReply.Kind.join)
    let attachment = join.number(0, 8)
    var frame = RawFrame(kind: 11, request: 0)
    frame.number(attachment, 8)
    frame.number(generation, 4)
    frame.number(position, 8)
    frame.number(sequence, 8)
    frame.number(departed, 8)
    try send(frame.bytes)
    return attachment
  }

  /// Subscribes; returns the router's answer.
  func subscribe(_ pattern: String, mode: UInt64 = 2, number: UInt64 = 1) throws -> RawReply? {
    var frame = RawFrame(kind: 6)
    frame.number(number, 4)
    frame.text(Array(pattern.utf8))
    frame.number(mode, 1)
    frame.number(0, 1)
    frame.number(0, 2)
    return try ask(frame)
  }

  /// One named value of the router's own row, as a number.
  func routerValue(_ key: String) throws -> Int? {
    var frame = RawFrame(kind: 14)
    frame.number(1, 1)
    lastRequest += 1
    var bytes = frame.bytes
    for place in 0..<4 {
      bytes[8 + place] = UInt8(truncatingIfNeeded: lastRequest >> UInt32(8 * place))
    }
    guard try send(bytes) else { return nil }
    var found: Int?
    while case .frame(let reply) = try next() {
      if reply.request == lastRequest, reply.kind == RawReply.Kind.queryEnd { return found }
      guard reply.kind == RawReply.Kind.row else { continue }
      var at = 3
      for _ in 0..<reply.number(1, 2) {
        let (name, middle) = reply.text(at)
        let (value, end) = reply.text(middle)
        if name == key { found = Int(value) }
        at = end
      }
    }
    return nil
  }
}

extension HostilePeer {
  /// Sends a record if the socket takes it at once; false when it does not.
  func trySend(_ bytes: [UInt8]) throws -> Bool {
    for _ in 0..<200 {
      let result = unsafe plat_send(socket, bytes, bytes.count, nil, 0)
      if result == 0 { return true }
      guard result == -EAGAIN || result == -ENOBUFS else { return false }
      // The router may only be busy: it is given a while before the socket counts as full.
      usleep(1000)
    }
    return false
  }

  /// The attachment and the stream that another subscription of this peer is told of.
  func announced(_ pattern: String) throws -> (attachment: UInt64, stream: UInt64) {
    var frame = RawFrame(kind: 6, request: 0)
    frame.number(4_000_000, 4)
    frame.text(Array(pattern.utf8))
    frame.number(2, 1)
    frame.number(0, 1)
    frame.number(0, 2)
    try send(frame.bytes)
    while true {
      let announce = try wait(for: RawReply.Kind.announce)
      if announce.number(0, 4) == 4_000_000 {
        return (announce.number(4, 8), announce.number(12, 8))
      }
    }
  }
}
