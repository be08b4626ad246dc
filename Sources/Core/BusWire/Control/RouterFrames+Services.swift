/// One agent that answers a name.
public struct Responder: Hashable, Sendable {
  /// Its incarnation, which names its inbox.
  public var incarnation: Incarnation
  /// Its name.
  public var name: String

  /// Pairs an incarnation with its name.
  public init(incarnation: Incarnation, name: String) {
    self.incarnation = incarnation
    self.name = name
  }
}

/// Says who answers a name: all of them, in the order of their incarnations.
public struct RespondersFrame: Hashable, Sendable {
  /// The service, team or agent.
  public var name: String
  /// Which kind of name it is.
  public var group: ServiceGroup
  /// Agents of a former router are still coming back: who is not named may be alive.
  public var isProvisional: Bool
  /// Who takes messages for the name.
  public var responders: [Responder]

  /// As many as fit into one frame, whatever they are called.
  public static let respondersMax = 180

  /// Takes the fields in the order of the wire.
  public init(
    name: String, group: ServiceGroup, isProvisional: Bool, responders: [Responder]
  ) {
    self.name = name
    self.group = group
    self.isProvisional = isProvisional
    self.responders = responders
  }
}

extension RespondersFrame: ControlBody {
  init(from reader: inout ControlReader) throws(ControlError) {
    name = try reader.text()
    group = try reader.serviceGroup()
    isProvisional = try reader.flag()
    responders = try reader.list { (reader) throws(ControlError) in
      Responder(incarnation: Incarnation(try reader.u64()), name: try reader.text())
    }
  }

  func write(to writer: inout ControlWriter) {
    writer.text(name)
    writer.u8(group.rawValue)
    writer.flag(isProvisional)
    writer.list(responders) { writer, responder in
      writer.u64(responder.incarnation.value)
      writer.text(responder.name)
    }
  }
}
