public import BusWire

/// One entry of a policy: who may take a name, and what its owner may do.
public struct AgentRule: Sendable, Equatable {
  /// The name, or a pattern of names such as `cli.>`.
  public var name: TopicPattern
  /// The users (uid numbers) whose processes may take the name.
  public var users: Set<UInt32>
  /// Channels it may read.
  public var read: [Grant]
  /// Channels it may publish on.
  public var write: [Grant]
  /// Channels on which it may make publishers wait for it; counts only where it may read.
  public var holdBack: [Grant]
  /// Services and agent names it may send requests to.
  public var call: [TopicPattern]
  /// Services it may answer besides its own name.
  public var answer: [TopicPattern]
  /// Whether it may watch the counters of every agent.
  public var watch = false
  /// Most bytes of shared memory it may register; nil for the router's own default.
  public var quotaBytes: UInt64?

  /// An entry that gives a name and no rights; add them by setting the properties.
  public init(name: TopicPattern, users: Set<UInt32>) {
    self.name = name
    self.users = users
    read = []
    write = []
    holdBack = []
    call = []
    answer = []
  }

  func holds(_ caller: Principal) -> Bool {
    users.contains(caller.uid) && name.matches(caller.name)
  }
}

/// The process that asks for something, as the kernel and its registration tell.
public struct Principal: Hashable, Sendable, CustomStringConvertible {
  /// The agent name it has or wants.
  public let name: Topic
  /// The user it runs as, from the kernel, never from the process itself.
  public let uid: UInt32

  /// Pairs a name with a user.
  public init(name: Topic, uid: UInt32) {
    self.name = name
    self.uid = uid
  }

  /// Name and user as an operator reads them.
  public var description: String { "\(name) (user \(uid))" }
}
