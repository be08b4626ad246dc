import BusWire

/// A name that a router would not take over from the former one: messages to it do not come here.
public struct LostName: Sendable, Equatable {
  /// The service or team.
  public let name: String
  /// It is a team, which this agent is in no more.
  public let isTeam: Bool
  /// Why, with the name in its text.
  public let error: BusError
  /// It is asked for now and then until a router takes it, because that may change by itself.
  public let isAskedAgain: Bool

  init(_ name: PeerName, _ why: BusError) {
    self.name = name.text
    isTeam = name.group == .team
    isAskedAgain = [.nameInUse, .resourceExhausted].contains(why.code)
    let state = isTeam ? "this agent is not in" : "this agent does not answer"
    let span = isAskedAgain ? "for now" : "any more"
    error = BusError(number: why.number, text: "\(state) \(name.text) \(span): \(why.detail)")
  }
}

/// When a name is asked for again that a router refused.
package struct NameRetry: Sendable {
  /// On the monotonic clock.
  package let atNs: UInt64
  private let pauseNs: UInt64

  private static var firstNs: UInt64 { 1_000_000_000 }
  private static var mostNs: UInt64 { 30_000_000_000 }

  /// The next time, ever later; `before`: the one that has come, nil at first.
  package init(after before: NameRetry?, _ nowNs: UInt64) {
    pauseNs = before.map { min(2 * $0.pauseNs, Self.mostNs) } ?? Self.firstNs
    atNs = nowNs &+ pauseNs
  }
}
