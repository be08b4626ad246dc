/// Hands in the agent's next segment of counters, which comes with it.
///
/// Answer: done or error.
public struct AddCountersFrame: Hashable, Sendable {
  /// Which segment: 0 for the first.
  public var part: UInt16 = 0
  /// Size of the memfd in bytes.
  public var segmentBytes: UInt64 = 0

  init() {}

  /// Takes the fields in the order of the wire.
  public init(part: UInt16, segmentBytes: UInt64) {
    self.part = part
    self.segmentBytes = segmentBytes
  }
}

extension AddCountersFrame: ControlBody {
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.u16(&part)
    try coder.u64(&segmentBytes)
  }
}

/// Tells an agent that watches of a segment of another's counters, which comes with it.
public struct CountersFrame: Hashable, Sendable {
  /// The agent's incarnation.
  public var incarnation = Incarnation(0)
  /// The agent's UUID.
  public var agent = BusUUID(high: 0, low: 0)
  /// The agent's name.
  public var name = ""
  /// The agent's category; may be empty.
  public var category = ""
  /// The agent's process.
  public var pid: UInt32 = 0
  /// The agent's user.
  public var uid: UInt32 = 0
  /// Which segment: 0 for the first.
  public var part: UInt16 = 0
  /// Size of the memfd in bytes.
  public var segmentBytes: UInt64 = 0

  init() {}

  /// Takes the fields in the order of the wire.
  public init(
    incarnation: Incarnation, agent: BusUUID, name: String, category: String, pid: UInt32,
    uid: UInt32, part: UInt16, segmentBytes: UInt64
  ) {
    self.incarnation = incarnation
    self.agent = agent
    self.name = name
    self.category = category
    self.pid = pid
    self.uid = uid
    self.part = part
    self.segmentBytes = segmentBytes
  }
}

extension CountersFrame: ControlBody {
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.number(&incarnation)
    try coder.uuid(&agent)
    try coder.text(&name)
    try coder.text(&category)
    try coder.u32(&pid)
    try coder.u32(&uid)
    try coder.u16(&part)
    try coder.u64(&segmentBytes)
  }
}

/// Tells an agent that watches that another has ended; its counters do not move any more.
public struct CountersGoneFrame: Hashable, Sendable {
  /// The incarnation that ended.
  public var incarnation = Incarnation(0)

  init() {}

  /// Takes the fields in the order of the wire.
  public init(incarnation: Incarnation) { self.incarnation = incarnation }
}

extension CountersGoneFrame: ControlBody {
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.number(&incarnation)
  }
}
