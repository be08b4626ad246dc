/// Hands in the agent's next segment of counters, which comes with it.
///
/// Answer: done or error.
public struct AddCountersFrame: Hashable, Sendable {
  /// Which segment: 0 for the first.
  public var part: UInt16
  /// Size of the memfd in bytes.
  public var segmentBytes: UInt64

  /// Takes the fields in the order of the wire.
  public init(part: UInt16, segmentBytes: UInt64) {
    self.part = part
    self.segmentBytes = segmentBytes
  }
}

extension AddCountersFrame: ControlBody {
  init(from reader: inout ControlReader) throws(ControlError) {
    part = try reader.u16()
    segmentBytes = try reader.u64()
  }

  func write(to writer: inout ControlWriter) {
    writer.u16(part)
    writer.u64(segmentBytes)
  }
}

/// Tells an agent that watches of a segment of another's counters, which comes with it.
public struct CountersFrame: Hashable, Sendable {
  /// The agent's incarnation.
  public var incarnation: Incarnation
  /// The agent's UUID.
  public var agent: BusUUID
  /// The agent's name.
  public var name: String
  /// The agent's category; may be empty.
  public var category: String
  /// The agent's process.
  public var pid: UInt32
  /// The agent's user.
  public var uid: UInt32
  /// Which segment: 0 for the first.
  public var part: UInt16
  /// Size of the memfd in bytes.
  public var segmentBytes: UInt64

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
  init(from reader: inout ControlReader) throws(ControlError) {
    incarnation = Incarnation(try reader.u64())
    agent = try reader.uuid()
    name = try reader.text()
    category = try reader.text()
    pid = try reader.u32()
    uid = try reader.u32()
    part = try reader.u16()
    segmentBytes = try reader.u64()
  }

  func write(to writer: inout ControlWriter) {
    writer.u64(incarnation.value)
    writer.uuid(agent)
    writer.text(name)
    writer.text(category)
    writer.u32(pid)
    writer.u32(uid)
    writer.u16(part)
    writer.u64(segmentBytes)
  }
}

/// Tells an agent that watches that another has ended; its counters do not move any more.
public struct CountersGoneFrame: Hashable, Sendable {
  /// The incarnation that ended.
  public var incarnation: Incarnation

  /// Takes the fields in the order of the wire.
  public init(incarnation: Incarnation) { self.incarnation = incarnation }
}

extension CountersGoneFrame: ControlBody {
  init(from reader: inout ControlReader) throws(ControlError) {
    incarnation = Incarnation(try reader.u64())
  }

  func write(to writer: inout ControlWriter) { writer.u64(incarnation.value) }
}
