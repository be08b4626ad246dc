import BusWire

/// Counts bytes and descriptors of all segments the router knows: altogether, by agent, by user.
///
/// Whoever spends is charged: the publisher for its logs, the reader for those that it does not let
/// go of. An account outlives its agent for as long as something is charged to it.
struct Quota {
  /// What one agent, or all agents of one user, hold.
  struct Use: Equatable {
    var bytes: UInt64 = 0
    var descriptors = 0
    /// Of these bytes: logs of others that have ended and that it has not let go of.
    var heldBytes: UInt64 = 0
  }

  private struct Account {
    let user: UInt32?
    var use = Use()
    var isOpen: Bool
  }

  /// Bytes of all segments.
  let limit: UInt64
  /// What logs may not take, so that agents can still join and look when logs fill the arena.
  let kept: UInt64
  /// What all agents of one user may take, but for the router's own.
  let ofUser: (bytes: UInt64, descriptors: Int)
  let ownUser: UInt32
  private(set) var used: UInt64 = 0
  private var accounts: [Incarnation: Account] = [:]
  private var users: [UInt32: Use] = [:]

  init(_ limits: RouterLimits, ownUser: UInt32) {
    limit = limits.arenaBytes
    kept = limit / 16
    ofUser = (limits.share(of: limit), limits.share(of: limits.descriptors))
    self.ownUser = ownUser
  }

  func use(by agent: Incarnation) -> Use { accounts[agent]?.use ?? Use() }
  func use(byUser user: UInt32) -> Use { users[user] ?? Use() }

  /// From here on an agent of this user can be charged.
  mutating func open(_ agent: Incarnation, user: UInt32) {
    // What is charged already stays so: forgotten, it would be given back all the same.
    accounts[agent, default: Account(user: user, isOpen: true)].isOpen = true
  }

  /// Whether something is still charged to an agent, which may have ended.
  func isCharging(_ agent: Incarnation) -> Bool { accounts[agent] != nil }

  /// The agent has ended; what is still charged to it stays so.
  mutating func close(_ agent: Incarnation) {
    accounts[agent]?.isOpen = false
    forgetIfEmpty(agent)
  }

  /// What stands against a log of this size, as a sentence for the agent; nil: nothing.
  func objection(toLog bytes: UInt64, for agent: Incarnation, quota: UInt64) -> String? {
    objection(to: bytes, for: agent, quota: quota, limit: limit - kept)
  }

  /// What stands against a segment of this size, as a sentence for the agent; nil: nothing.
  func objection(to bytes: UInt64, for agent: Incarnation, quota: UInt64) -> String? {
    objection(to: bytes, for: agent, quota: quota, limit: limit)
  }

  private func objection(
    to bytes: UInt64, for agent: Incarnation, quota: UInt64, limit: UInt64
  ) -> String? {
    let mine = use(by: agent)
    guard bytes <= quota, mine.bytes <= quota - bytes else {
      let held = mine.heldBytes
      let why = held == 0 ? "" : ", \(held) of them in logs that ended and that it still holds"
      return "The agent's segments would take \(mine.bytes) + \(bytes) bytes\(why); its quota is "
        + "\(quota): raise --agent-quota or the policy's quota, or close streams."
    }
    if let user = accounts[agent]?.user, user != ownUser {
      let all = use(byUser: user)
      guard bytes <= ofUser.bytes, all.bytes <= ofUser.bytes - bytes else {
        return "The agents of user \(user) would take \(all.bytes) + \(bytes) bytes, those of one "
          + "user may take \(ofUser.bytes): end some of them, or raise --arena."
      }
      guard all.descriptors < ofUser.descriptors else {
        return "The agents of user \(user) have \(all.descriptors) segments open at the router, "
          + "those of one user may have \(ofUser.descriptors): close streams and drop blobs, or "
          + "raise the router's limit of descriptors (ulimit -Hn)."
      }
    }
    guard bytes <= limit, used <= limit - bytes else {
      return "All segments would take \(used) + \(bytes) bytes, the arena has \(limit) for them: "
        + "raise --arena, or end agents that hold memory (bcs agent shows them)."
    }
    return nil
  }

  /// Whether a segment that is here already, at the cost of `payer`, may be charged to this agent:
  /// neither it nor its user has more than it may then.
  func mayTakeOver(
    _ bytes: UInt64, of payer: UInt32?, by agent: Incarnation, quota: UInt64
  ) -> Bool {
    let mine = use(by: agent).bytes
    guard bytes <= quota, mine <= quota - bytes else { return false }
    // Within one user nothing changes for it.
    guard let user = accounts[agent]?.user, user != ownUser, user != payer else { return true }
    let all = use(byUser: user)
    return bytes <= ofUser.bytes && all.bytes <= ofUser.bytes - bytes
      && all.descriptors < ofUser.descriptors
  }

  /// Whether more than half is used of what an agent or its user may have, or more than three
  /// quarters of all.
  ///
  /// `quota` is nil for an agent that has ended: it needs nothing more.
  func isScarce(for agent: Incarnation, of user: UInt32?, quota: UInt64?) -> Bool {
    if let quota, use(by: agent).bytes > quota / 2 { return true }
    if let user, user != ownUser {
      let all = use(byUser: user)
      if all.bytes > ofUser.bytes / 2 || all.descriptors > ofUser.descriptors / 2 { return true }
    }
    return used > limit - limit / 4
  }

  /// One more segment; `user`: whose the agent is, in case that its account is forgotten.
  mutating func charge(
    _ bytes: UInt64, to agent: Incarnation, of user: UInt32? = nil, held: Bool = false
  ) {
    used += bytes
    change(agent, of: user) { use in
      use.bytes += bytes
      use.descriptors += 1
      if held { use.heldBytes += bytes }
    }
  }

  /// A segment is gone; `isOpen`: so far the router had it open.
  mutating func credit(
    _ bytes: UInt64, to agent: Incarnation, held: Bool = false, isOpen: Bool = true
  ) {
    used -= bytes
    change(agent) { use in
      use.bytes -= bytes
      if isOpen { use.descriptors -= 1 }
      if held { use.heldBytes -= bytes }
    }
    forgetIfEmpty(agent)
  }

  /// The router has closed its descriptor of a segment that stays charged.
  mutating func closeDescriptor(of agent: Incarnation) {
    change(agent) { $0.descriptors -= 1 }
  }

  private mutating func change(
    _ agent: Incarnation, of user: UInt32? = nil, _ body: (inout Use) -> Void
  ) {
    var account = accounts[agent] ?? Account(user: user, isOpen: false)
    body(&account.use)
    accounts[agent] = account
    guard let user = account.user else { return }
    var use = users[user] ?? Use()
    body(&use)
    users[user] = use == Use() ? nil : use
  }

  private mutating func forgetIfEmpty(_ agent: Incarnation) {
    guard let account = accounts[agent], !account.isOpen, account.use == Use() else { return }
    accounts[agent] = nil
  }
}
