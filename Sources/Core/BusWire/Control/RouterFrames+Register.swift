/// Answers hello; the clock page comes with it.
public struct WelcomeFrame: Hashable, Sendable {
  /// The router's incarnation.
  public var routerIncarnation: Incarnation
  /// The agent's incarnation, unless it reattaches.
  public var incarnation: Incarnation
  /// Shared memory that all agents may use together, in bytes.
  public var arenaBytes: UInt64
  /// The router's process.
  public var routerPid: UInt32
  /// Ring bytes of the first log of a stream.
  public var logBytesFirst: UInt64
  /// Ring bytes that a log may grow to.
  public var logBytesMax: UInt64
  /// How long a lossless reader may hold its publisher back, in ms.
  public var stallMs: UInt32

  /// Takes the fields in the order of the wire.
  public init(
    routerIncarnation: Incarnation, incarnation: Incarnation, arenaBytes: UInt64, routerPid: UInt32,
    logBytesFirst: UInt64, logBytesMax: UInt64, stallMs: UInt32
  ) {
    self.routerIncarnation = routerIncarnation
    self.incarnation = incarnation
    self.arenaBytes = arenaBytes
    self.routerPid = routerPid
    self.logBytesFirst = logBytesFirst
    self.logBytesMax = logBytesMax
    self.stallMs = stallMs
  }
}

extension WelcomeFrame: ControlBody {
  init(from reader: inout ControlReader) throws(ControlError) {
    routerIncarnation = Incarnation(try reader.u64())
    incarnation = Incarnation(try reader.u64())
    arenaBytes = try reader.u64()
    routerPid = try reader.u32()
    logBytesFirst = try reader.u64()
    logBytesMax = try reader.u64()
    stallMs = try reader.u32()
  }

  func write(to writer: inout ControlWriter) {
    writer.u64(routerIncarnation.value)
    writer.u64(incarnation.value)
    writer.u64(arenaBytes)
    writer.u32(routerPid)
    writer.u64(logBytesFirst)
    writer.u64(logBytesMax)
    writer.u32(stallMs)
  }
}

/// Answers register and reattach.
public struct RegisteredFrame: Hashable, Sendable {
  /// The agent's UUID.
  public var agent: BusUUID
  /// The agent's incarnation.
  public var incarnation: Incarnation
  /// The router's word, for a later reattach.
  public var ticket: ControlTicket
  /// The channels that the policy declares.
  public var channels: [ChannelLimit]

  /// Takes the fields in the order of the wire.
  public init(
    agent: BusUUID, incarnation: Incarnation, ticket: ControlTicket, channels: [ChannelLimit]
  ) {
    self.agent = agent
    self.incarnation = incarnation
    self.ticket = ticket
    self.channels = channels
  }
}

extension RegisteredFrame: ControlBody {
  init(from reader: inout ControlReader) throws(ControlError) {
    agent = try reader.uuid()
    incarnation = Incarnation(try reader.u64())
    ticket = try reader.ticket()
    channels = try reader.list(ChannelLimit.init(from:))
  }

  func write(to writer: inout ControlWriter) {
    writer.uuid(agent)
    writer.u64(incarnation.value)
    writer.ticket(ticket)
    writer.list(channels) { $1.write(to: &$0) }
  }
}

/// One row of the answer to a query.
public struct RowFrame: Hashable, Sendable {
  /// What the row describes.
  public var subject: QuerySubject
  /// Its named values.
  public var fields: [RowField]

  /// Takes the fields in the order of the wire.
  public init(subject: QuerySubject, fields: [RowField]) {
    self.subject = subject
    self.fields = fields
  }
}

extension RowFrame: ControlBody {
  init(from reader: inout ControlReader) throws(ControlError) {
    subject = try reader.querySubject()
    fields = try reader.list(RowField.init(from:))
  }

  func write(to writer: inout ControlWriter) {
    writer.u8(subject.rawValue)
    writer.list(fields) { $1.write(to: &$0) }
  }
}

/// Refuses a request.
public struct ErrorFrame: Hashable, Sendable {
  /// A `BusErrorCode`, or a `BusErrorCause` of one.
  public var code: UInt16
  /// What happened and what to do, for people.
  public var text: String

  /// Takes the fields in the order of the wire.
  public init(code: UInt16, text: String) {
    self.code = code
    self.text = text
  }
}

extension ErrorFrame: ControlBody {
  init(from reader: inout ControlReader) throws(ControlError) {
    code = try reader.u16()
    text = try reader.text()
  }

  func write(to writer: inout ControlWriter) {
    writer.u16(code)
    writer.text(text)
  }
}
