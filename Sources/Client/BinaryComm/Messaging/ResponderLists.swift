package import BusWire

/// Puts together the lists of responders that the router says in several frames.
///
/// A list whose first frames were dropped, because this agent did not read, is not taken for a
/// shorter one: the router says all of it again.
package struct ResponderLists: Sendable {
  /// What has come of lists that are not whole.
  private var begun: [PeerName: [Responder]] = [:]

  /// Nothing has come.
  package init() {}

  /// Takes the next frame; returns the list as one frame when it is whole.
  package mutating func add(_ part: RespondersFrame) -> RespondersFrame? {
    let name = PeerName(group: part.group, text: part.name)
    let known = begun.removeValue(forKey: name) ?? []
    var list = part.before == 0 ? [] : known
    guard list.count == Int(part.before) else { return nil }
    list += part.responders
    guard list.count >= Int(part.total) else {
      begun[name] = list
      return nil
    }
    return RespondersFrame(
      name: part.name, group: part.group, isProvisional: part.isProvisional, before: 0,
      total: UInt16(clamping: list.count), responders: list)
  }

  /// Nothing more comes of a name.
  mutating func forget(_ name: PeerName) { begun[name] = nil }
}
