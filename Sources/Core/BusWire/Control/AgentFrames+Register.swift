/// Opens the talk: which layout the agent was built with.
///
/// Answer: welcome or error.
public struct HelloFrame: Hashable, Sendable {
  /// The version of the shared-memory layout.
  public var layoutVersion: UInt16 = 0
  /// The program, for people who look.
  public var program = ""

  init() {}

  /// Takes the fields in the order of the wire.
  public init(layoutVersion: UInt16 = ControlFormat.layoutVersion, program: String) {
    self.layoutVersion = layoutVersion
    self.program = program
  }
}

extension HelloFrame: ControlBody {
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.u16(&layoutVersion)
    try coder.text(&program)
  }
}

/// Asks for a name; the reader segment comes with it.
///
/// Answer: registered or error.
public struct RegisterFrame: Hashable, Sendable {
  /// The agent's name.
  public var name = ""
  /// The agent's category; may be empty.
  public var category = ""
  /// The agent's UUID.
  public var agent = BusUUID(high: 0, low: 0)

  init() {}

  /// Takes the fields in the order of the wire.
  public init(name: String, category: String, agent: BusUUID) {
    self.name = name
    self.category = category
    self.agent = agent
  }
}

extension RegisterFrame: ControlBody {
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.text(&name)
    try coder.text(&category)
    try coder.uuid(&agent)
  }
}

/// Comes back to a new router under the old incarnation; the reader segment comes with it.
public struct ReattachFrame: Hashable, Sendable {
  /// The agent's name.
  public var name = ""
  /// The agent's category; may be empty.
  public var category = ""
  /// The agent's UUID.
  public var agent = BusUUID(high: 0, low: 0)
  /// The agent's incarnation.
  public var incarnation = Incarnation(0)
  /// The word of the router that registered it.
  public var ticket: ControlTicket = .none

  init() {}

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
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.text(&name)
    try coder.text(&category)
    try coder.uuid(&agent)
    try coder.number(&incarnation)
    try coder.ticket(&ticket)
  }
}

/// Asks what is there.
///
/// Answer: rows, then queryEnd.
public struct QueryFrame: Hashable, Sendable {
  /// What to list.
  public var subject: QuerySubject = .router

  init() {}

  /// Takes the fields in the order of the wire.
  public init(subject: QuerySubject) {
    self.subject = subject
  }
}

extension QueryFrame: ControlBody {
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.choice(&subject)
  }
}
