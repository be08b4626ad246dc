/// Opens the talk: which layout the agent was built with.
///
/// Answer: welcome or error.
public struct HelloFrame: Hashable, Sendable {
  /// The version of the shared-memory layout.
  public var layoutVersion: UInt16
  /// The program, for people who look.
  public var program: String

  /// Takes the fields in the order of the wire.
  public init(layoutVersion: UInt16 = ControlFormat.layoutVersion, program: String) {
    self.layoutVersion = layoutVersion
    self.program = program
  }
}

extension HelloFrame: ControlBody {
  init(from reader: inout ControlReader) throws(ControlError) {
    layoutVersion = try reader.u16()
    program = try reader.text()
  }

  func write(to writer: inout ControlWriter) {
    writer.u16(layoutVersion)
    writer.text(program)
  }
}

/// Asks for a name; the reader segment comes with it.
///
/// Answer: registered or error.
public struct RegisterFrame: Hashable, Sendable {
  /// The agent's name.
  public var name: String
  /// The agent's category; may be empty.
  public var category: String
  /// The agent's UUID.
  public var agent: BusUUID

  /// Takes the fields in the order of the wire.
  public init(name: String, category: String, agent: BusUUID) {
    self.name = name
    self.category = category
    self.agent = agent
  }
}

extension RegisterFrame: ControlBody {
  init(from reader: inout ControlReader) throws(ControlError) {
    name = try reader.text()
    category = try reader.text()
    agent = try reader.uuid()
  }

  func write(to writer: inout ControlWriter) {
    writer.text(name)
    writer.text(category)
    writer.uuid(agent)
  }
}

/// Comes back to a new router under the old incarnation; the reader segment comes with it.
public struct ReattachFrame: Hashable, Sendable {
  /// The agent's name.
  public var name: String
  /// The agent's category; may be empty.
  public var category: String
  /// The agent's UUID.
  public var agent: BusUUID
  /// The agent's incarnation.
  public var incarnation: Incarnation
  /// The word of the router that registered it.
  public var ticket: ControlTicket

  /// Takes the fields in the order of the wire.
  public init(
    name: String, category: String, agent: BusUUID, incarnation: Incarnation,
    ticket: ControlTicket
  ) {
    self.name = name
    self.category = category
    self.agent = agent
    self.incarnation = incarnation
    self.ticket = ticket
  }
}

extension ReattachFrame: ControlBody {
  init(from reader: inout ControlReader) throws(ControlError) {
    name = try reader.text()
    category = try reader.text()
    agent = try reader.uuid()
    incarnation = Incarnation(try reader.u64())
    ticket = try reader.ticket()
  }

  func write(to writer: inout ControlWriter) {
    writer.text(name)
    writer.text(category)
    writer.uuid(agent)
    writer.u64(incarnation.value)
    writer.ticket(ticket)
  }
}

/// Asks what is there.
///
/// Answer: rows, then queryEnd.
public struct QueryFrame: Hashable, Sendable {
  /// What to list.
  public var subject: QuerySubject

  /// Takes the fields in the order of the wire.
  public init(subject: QuerySubject) {
    self.subject = subject
  }
}

extension QueryFrame: ControlBody {
  init(from reader: inout ControlReader) throws(ControlError) {
    subject = try reader.querySubject()
  }

  func write(to writer: inout ControlWriter) {
    writer.u8(subject.rawValue)
  }
}
