/// The agent answers a name from now on, or no more.
///
/// Answer: done or error.
public struct AnswerFrame: Hashable, Sendable {
  /// The service or team.
  public var name = ""
  /// Which of the two it is.
  public var group: ServiceGroup = .service
  /// False: no more.
  public var answers = false

  init() {}

  /// Takes the fields in the order of the wire.
  public init(name: String, group: ServiceGroup, answers: Bool) {
    self.name = name
    self.group = group
    self.answers = answers
  }
}

extension AnswerFrame: ControlBody {
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.text(&name)
    try coder.choice(&group)
    try coder.flag(&answers)
  }
}

/// A name that agents answer.
///
/// As `resolve` it asks who does, now and whenever that changes: responders or error, and each
/// change comes as responders with request 0. As `forget` it takes that back: nothing more is to be
/// told of this name, and its place is free; no answer, and a name that was never asked for changes
/// nothing.
public struct NameFrame: Hashable, Sendable {
  /// The service, team or agent.
  public var name = ""
  /// Which kind of name it is; an agent's name is a service.
  public var group: ServiceGroup = .service

  init() {}

  /// Takes the fields in the order of the wire.
  public init(name: String, group: ServiceGroup) {
    self.name = name
    self.group = group
  }
}

extension NameFrame: ControlBody {
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.text(&name)
    try coder.choice(&group)
  }
}
