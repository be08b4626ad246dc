/// The answer to one question about access, with the reason for the operator's log.
///
/// The reason names rules and must not be sent to the caller: it is told `Decision.remoteText`,
/// the same words whether a thing is forbidden or does not exist.
public struct Decision: Sendable, Equatable {
  /// What a refused caller is told, whatever the reason.
  public static let remoteText =
    "There is no such name, channel or service for this agent: "
    + "ask the operator whether it exists and whether the policy gives the right."

  /// Whether it may be done.
  public let allowed: Bool
  /// A sentence for the operator.
  public let reason: String

  static func allow(_ reason: String) -> Decision { Decision(allowed: true, reason: reason) }
  static func deny(_ reason: String) -> Decision { Decision(allowed: false, reason: reason) }
}
