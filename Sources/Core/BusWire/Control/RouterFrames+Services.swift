/// One agent that answers a name.
public struct Responder: Hashable, Sendable {
  /// Its incarnation, which names its inbox.
  public var incarnation = Incarnation(0)
  /// Its name.
  public var name = ""

  init() {}

  /// Pairs an incarnation with its name.
  public init(incarnation: Incarnation, name: String) {
    self.incarnation = incarnation
    self.name = name
  }
}

extension Responder: ControlBody {
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.number(&incarnation)
    try coder.text(&name)
  }
}

/// Says who answers a name, in the order of their incarnations: all of them, or those that fit into
/// one frame; further frames of the same list follow at once.
public struct RespondersFrame: Hashable, Sendable {
  /// The service, team or agent.
  public var name = ""
  /// Which kind of name it is.
  public var group: ServiceGroup = .service
  /// Agents of a former router are still coming back: who is not named may be alive.
  public var isProvisional = false
  /// How many of the list were in the frames before this one; 0 begins a list.
  public var before: UInt16 = 0
  /// How many the list has in all its frames.
  public var total: UInt16 = 0
  /// Who takes messages for the name.
  public var responders: [Responder] = []

  /// As many as fit into one frame, whatever they are called.
  public static let respondersMax = 180

  init() {}

  /// Takes the fields in the order of the wire.
  public init(
    name: String, group: ServiceGroup, isProvisional: Bool, before: UInt16, total: UInt16,
    responders: [Responder]
  ) {
    self.name = name
    self.group = group
    self.isProvisional = isProvisional
    self.before = before
    self.total = total
    self.responders = responders
  }
}

extension RespondersFrame: ControlBody {
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.text(&name)
    try coder.choice(&group)
    try coder.flag(&isProvisional)
    try coder.u16(&before)
    try coder.u16(&total)
    try coder.list(&responders, of: Responder()) { item, coder throws(ControlError) in
      try item.code(&coder)
    }
  }
}
