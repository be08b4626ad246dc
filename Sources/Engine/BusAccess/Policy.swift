public import BusWire

/// Who may take which name and do what: every access decision of the bus, as pure functions.
///
/// Everything that no rule gives is refused. Rules only add: a caller has the rights of every
/// entry that lists both its name and its user.
///
///     var policy = Policy()
///     var hub = AgentRule(name: try TopicPattern("hub"), users: [1000])
///     hub.read = [try Grant(">")]
///     try policy.add(hub)
///     policy.mayTakeName(Caller(name: try Topic("hub"), uid: 1000)).allowed  // true
public struct Policy: Sendable {
  enum Basis: Sendable, Equatable {
    case sameUser(UInt32)
    case rules
  }

  let basis: Basis
  /// The entries, in the order in which they were added.
  public private(set) var agents: [AgentRule] = []
  private var agentNames: Set<TopicPattern> = []
  private var settings: [Topic: ChannelSettings] = [:]

  /// The channels this policy declares, those of its grants included.
  public private(set) var channelMap = ChannelMap()
  /// Who may use `bcs.broadcast`.
  public var broadcast = BroadcastRule.everybody

  /// A policy without rules, which refuses everybody.
  public init() {
    basis = .rules
  }

  private init(basis: Basis) {
    self.basis = basis
  }

  /// What holds without a policy file: the router's own user may take every name and do everything.
  public static func sameUser(_ uid: UInt32) -> Policy {
    Policy(basis: .sameUser(uid))
  }

  /// Whether names are free to every process of the one user, with no rules between them.
  public var isSameUser: Bool { basis != .rules }

  /// Adds an agent entry and declares the channel of each of its grants.
  ///
  /// - Throws: `PolicyError` for a second entry of that name, a reserved name or service, no
  ///   users, an empty quota; the policy is then unchanged.
  public mutating func add(_ rule: AgentRule) throws(PolicyError) {
    guard !agentNames.contains(rule.name) else { throw .duplicateAgent(rule.name.text) }
    for pattern in [rule.name] + rule.call + rule.answer
    where pattern.literalPrefix?.isReserved ?? false {
      throw .reservedName(pattern.text)
    }
    guard !rule.users.isEmpty else { throw .noUsers(rule.name.text) }
    guard rule.quotaBytes != 0 else { throw .quotaIsZero(rule.name.text) }
    agentNames.insert(rule.name)
    agents.append(rule)
    for grant in rule.read + rule.write + rule.holdBack {
      if let channel = grant.channel { channelMap.declare(channel) }
    }
  }

  /// Declares a channel with its settings.
  ///
  /// - Throws: `PolicyError` for a second entry of that channel, a reserved name, a limit out of
  ///   range; the policy is then unchanged.
  public mutating func add(_ rule: ChannelRule) throws(PolicyError) {
    guard settings[rule.name] == nil else { throw .duplicateChannel(rule.name.text) }
    guard !rule.name.isReserved || rule.name == ChannelMap.broadcast else {
      throw .reservedName(rule.name.text)
    }
    try rule.settings.check()
    settings[rule.name] = rule.settings
    channelMap.declare(rule.name)
  }

  /// The settings of a channel: its own entry, else that of the nearest channel above it.
  public func settings(of channel: Topic) -> ChannelSettings {
    for tokens in stride(from: channel.tokenCount, through: 1, by: -1) {
      if let found = settings[channel.prefix(tokens: tokens)] { return found }
    }
    return ChannelSettings()
  }

  /// The largest quota in bytes that an entry gives this caller; nil when none states one.
  public func quotaBytes(of caller: Principal) -> UInt64? {
    entries(for: caller).compactMap(\.quotaBytes).max()
  }

  func entries(for caller: Principal) -> [AgentRule] {
    agents.filter { $0.holds(caller) }
  }
}
