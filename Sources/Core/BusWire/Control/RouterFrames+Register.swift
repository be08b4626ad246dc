/// Answers hello; the clock page comes with it.
public struct WelcomeFrame: Hashable, Sendable {
  /// The router's incarnation.
  public var routerIncarnation = Incarnation(0)
  /// The agent's incarnation, unless it reattaches.
  public var incarnation = Incarnation(0)
  /// Shared memory that all agents may use together, in bytes.
  public var arenaBytes: UInt64 = 0
  /// The router's process.
  public var routerPid: UInt32 = 0
  /// Ring bytes of the first log of a stream.
  public var logBytesFirst: UInt64 = 0
  /// Ring bytes that a log may grow to.
  public var logBytesMax: UInt64 = 0
  /// How long a lossless reader may hold its publisher back, in ms.
  public var stallMs: UInt32 = 0

  init() {}

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
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.number(&routerIncarnation)
    try coder.number(&incarnation)
    try coder.u64(&arenaBytes)
    try coder.u32(&routerPid)
    try coder.u64(&logBytesFirst)
    try coder.u64(&logBytesMax)
    try coder.u32(&stallMs)
  }
}

/// Answers register and reattach.
public struct RegisteredFrame: Hashable, Sendable {
  /// The agent's UUID.
  public var agent = BusUUID(high: 0, low: 0)
  /// The agent's incarnation.
  public var incarnation = Incarnation(0)
  /// The router's word, for a later reattach.
  public var ticket: ControlTicket = .none
  /// The channels that the policy declares.
  public var channels: [ChannelLimit] = []

  init() {}

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
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.uuid(&agent)
    try coder.number(&incarnation)
    try coder.ticket(&ticket)
    try coder.list(&channels, of: ChannelLimit()) { item, coder throws(ControlError) in
      try item.code(&coder)
    }
  }
}

/// One row of the answer to a query.
public struct RowFrame: Hashable, Sendable {
  /// What the row describes.
  public var subject: QuerySubject = .router
  /// Its named values.
  public var fields: [RowField] = []

  init() {}

  /// Takes the fields in the order of the wire.
  public init(subject: QuerySubject, fields: [RowField]) {
    self.subject = subject
    self.fields = fields
  }
}

extension RowFrame: ControlBody {
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.choice(&subject)
    try coder.list(&fields, of: RowField()) { item, coder throws(ControlError) in
      try item.code(&coder)
    }
  }
}

/// Refuses a request.
public struct ErrorFrame: Hashable, Sendable {
  /// A `BusErrorCode`, or a `BusErrorCause` of one.
  public var code: UInt16 = 0
  /// What happened and what to do, for people.
  public var text = ""

  init() {}

  /// Takes the fields in the order of the wire.
  public init(code: UInt16, text: String) {
    self.code = code
    self.text = text
  }
}

extension ErrorFrame: ControlBody {
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.u16(&code)
    try coder.text(&text)
  }
}
