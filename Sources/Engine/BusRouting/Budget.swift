import BusWire

/// Counts the bytes of all segments the router knows, altogether and by agent.
struct Budget {
  let limit: UInt64
  /// What logs may not take, so that agents can still join and look when logs fill the arena.
  let kept: UInt64
  private(set) var used: UInt64 = 0
  private var byAgent: [Incarnation: UInt64] = [:]

  init(limit: UInt64) {
    self.limit = limit
    kept = limit / 16
  }

  func used(by agent: Incarnation) -> UInt64 { byAgent[agent] ?? 0 }

  /// What stands against a log of this size, as a sentence for the agent; nil: nothing.
  func objection(toLog bytes: UInt64, for agent: Incarnation, quota: UInt64) -> String? {
    objection(to: bytes, for: agent, quota: quota, limit: limit - kept)
  }

  /// What stands against this many bytes more, as a sentence for the agent; nil: nothing.
  func objection(to bytes: UInt64, for agent: Incarnation, quota: UInt64) -> String? {
    objection(to: bytes, for: agent, quota: quota, limit: limit)
  }

  private func objection(
    to bytes: UInt64, for agent: Incarnation, quota: UInt64, limit: UInt64
  ) -> String? {
    let mine = used(by: agent)
    guard bytes <= quota, mine <= quota - bytes else {
      return "The agent's segments would take \(mine) + \(bytes) bytes, its quota is \(quota): "
        + "raise --agent-quota or the policy's quota, or close streams."
    }
    guard bytes <= limit, used <= limit - bytes else {
      return "All segments would take \(used) + \(bytes) bytes, the arena has \(limit) for them: "
        + "raise --arena, or end agents that hold memory (bcs agent shows them)."
    }
    return nil
  }

  mutating func charge(_ bytes: UInt64, to agent: Incarnation) {
    used += bytes
    byAgent[agent, default: 0] += bytes
  }

  mutating func credit(_ bytes: UInt64, to agent: Incarnation) {
    used -= bytes
    let left = used(by: agent) - bytes
    byAgent[agent] = left == 0 ? nil : left
  }
}
