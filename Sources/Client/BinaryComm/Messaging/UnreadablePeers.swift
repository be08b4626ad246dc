/// Peers whose logs this agent had no room to read, and what was missing: that is why nothing comes
/// from them, whatever else becomes of them.
package struct UnreadablePeers: Sendable {
  private var reasons: [String: BusError] = [:]

  /// Knows of none.
  package init() {}

  /// How many are known at most, those that have ended included.
  package static var most: Int { 1024 }

  /// Why nothing comes from a peer; nil: it is not known to be unreadable.
  package func reason(_ name: String) -> BusError? { reasons[name] }

  /// A peer can be read, or was forgotten.
  package mutating func remove(_ name: String) { reasons[name] = nil }

  /// Notes what this process lacked to read some peers.
  ///
  /// `known`: the names of those that are there.
  package mutating func note(_ problems: some Sequence<StreamProblem>, known: () -> Set<String>) {
    for problem in problems where problem.error.code == .resourceExhausted {
      if reasons.count >= Self.most {
        let known = known()
        reasons = reasons.filter { known.contains($0.key) }
        guard reasons.count < Self.most else { return }
      }
      reasons[problem.publisher] = problem.error
    }
  }
}
