public import BusAccess
public import BusPorts
public import BusWire
import DequeModule

/// The router as a state machine: events in, actions out; it has no clock, socket or file.
///
///     var router = RouterState(identity, limits: RouterLimits(), policy: policy,
///                              sealer: sealer, probe: probe, clockPage: token)
///     for action in router.handle(.frame(connection, request: 1, frame, [])) { … }
///
/// Every descriptor token that comes in is either kept and closed later, exactly once, or closed
/// in the same call. Memory is bounded by `RouterLimits`, whatever agents send.
public struct RouterState {
  /// How much agents may ask for.
  public let limits: RouterLimits
  /// The router's own incarnation; all numbers it makes are larger.
  public let incarnation: Incarnation

  let identity: RouterIdentity
  let policy: Policy
  let sealer: any TicketSealer
  let probe: any LogProbe
  let clockPage: DescriptorToken

  var connections: [ConnectionID: Connection] = [:]
  var connectionsOfUser: [UInt32: Int] = [:]
  var agents: [Incarnation: Agent] = [:]
  var agentsByName: [Topic: Incarnation] = [:]
  var agentsByUUID: [BusUUID: Incarnation] = [:]
  /// Connections of users to whom the policy gives no name.
  var strangers = 0
  var answering: [ServiceName: Set<Incarnation>] = [:]
  var interested: [ServiceName: Set<Incarnation>] = [:]
  var streams: [StreamID: BusStream] = [:]
  var attachments: [AttachmentID: Attachment] = [:]
  var index = SubscriptionIndex()
  /// The agents that are notified of all agents' counters.
  var watchers: Set<Incarnation> = []
  /// By user: the agents that have no place for something that they should read.
  var missing: [UInt32: Rounds<Incarnation>] = [:]
  var blobs: [BlobKey: Blob] = [:]
  /// Of those: the ones whose makers have ended.
  var leftBlobs = LeftBlobs()
  var budget: Quota
  /// By publisher: the readers that are in its windows.
  var handedInReaders: [Incarnation: [AttachmentID: RestoredReader]] = [:]
  /// Connections whose news were dropped while agents still came back.
  var snapshotsOwed = FairQueue<ConnectionID>()
  /// The ended streams with logs that readers still hold.
  var lingering = Rounds<StreamID>()
  /// The readings of ended streams, but for those that were evicted.
  var standing = Rounds<AttachmentID>()
  var countsOfUser: [UInt32: UserCounts] = [:]
  var nowNs: UInt64 = 0
  var graceEndNs: UInt64?
  /// Streams whose publishers are answered when agents have come back, and who asked.
  var heldStreams: [StreamID: Requester] = [:]
  /// While agents may come back: the streams that are to be settled when nobody does any more.
  var awaited = FairQueue<StreamID>()
  /// Work that the last turn of settling has done and that others have not had their time for yet.
  var settlingOwed = 0
  /// Streams that are to be settled in turns now that agents have come back.
  var unsettled = FairQueue<StreamID>()
  /// Work of settling after which others have their turn.
  package var settledPerTurn = 256
  /// Of both: what returning readers and publishers say of them.
  var returning: [StreamID: Returning] = [:]
  /// By publisher: the readers of which it was told that they did not come back.
  var toldGone: [Incarnation: Set<Incarnation>] = [:]
  /// Of both: the readings that are over and do not begin anew by themselves.
  var endedHere: Set<EndedReading> = []
  /// Agents that are to be told that they did not finish handing in.
  var stragglers: Deque<Incarnation> = []
  /// Readings of which another has taken the number, by what their agents call them.
  var renumbered: [KnownNumber: AttachmentID] = [:]
  /// Until when agents of a router that was stopped in order may begin a grace by coming back.
  var returnEndNs: UInt64?
  package internal(set) var inGrace: Bool
  private(set) var lastNumber: UInt64
  /// Queries of which rows are still to come.
  var openQueries: [ConnectionID: OpenQuery] = [:]
  /// By the user whose agents changed them: names of which not everybody has been told yet.
  var nameNews: [UInt32: NameNews] = [:]
  /// Names whose responders were told while agents may still come back.
  var provisional = Rounds<ServiceName>()
  /// Users of whom nothing waited to be told before this event.
  var freshNews: Set<UInt32> = []
  private var lines = RepeatedLines()
  private var actions: [RouterAction] = []
  /// Work since the last time it was asked for.
  private(set) var effort = 0
  /// Some of it was to settle streams.
  var hasSettled = false
  /// Walked since the last whole unit of work.
  private var entriesWalked = 0

  /// A router without agents.
  ///
  /// - Parameters:
  ///   - identity: who it is and how it was started.
  ///   - limits: how much agents may ask for.
  ///   - policy: who may do what.
  ///   - sealer: makes and checks tickets.
  ///   - probe: looks into logs.
  ///   - clockPage: sent with every welcome; stays open as long as the router.
  public init(
    _ identity: RouterIdentity, limits: RouterLimits, policy: Policy, sealer: any TicketSealer,
    probe: any LogProbe, clockPage: DescriptorToken
  ) {
    self.identity = identity
    self.limits = limits
    self.policy = policy
    self.sealer = sealer
    self.probe = probe
    self.clockPage = clockPage
    incarnation = Incarnation(identity.bootNs)
    lastNumber = identity.bootNs
    budget = Quota(limits, ownUser: identity.uid)
    inGrace = identity.former == .killed
  }

  /// How many agents are registered.
  public var agentCount: Int { agents.count }
  /// Whether there are agents, its own or of a former router, whom the next one may see again.
  public var mayComeBack: Bool { !agents.isEmpty || awaitsAgents }
  /// How many streams are known, ended ones that are still read included.
  public var streamCount: Int { streams.count }
  /// How many readings of a stream there are.
  public var attachmentCount: Int { attachments.count }
  /// How many blobs can be opened.
  public var blobCount: Int { blobs.count }
  /// Bytes of all segments it holds.
  public var arenaBytesUsed: UInt64 { budget.used }

  /// Takes in what happened and says what is to be done now, in order.
  public mutating func handle(_ event: RouterEvent) -> [RouterAction] {
    switch event {
    case .connected(let connection, let peer): connected(connection, peer)
    case .frame(let connection, let request, let frame, let segments):
      handle(frame, segments, from: Requester(connection: connection, request: request))
    case .unreadable(let connection, let request, let code, let text):
      refuse(Requester(connection: connection, request: request), code, text)
      act(.drop(connection, reason: text))
    case .disconnected(let connection): disconnected(connection)
    case .drained(let connection): drained(connection)
    case .goOn(let connection): goOn(connection)
    case .nextTurn:
      settleStreams()
      tellNews()
      tellProvisional()
    case .tick(let now): tick(now)
    }
    tellFreshNews()
    defer { actions.removeAll(keepingCapacity: true) }
    return actions
  }

  /// The next number, never used before by this router or a former one.
  mutating func nextNumber() -> UInt64 {
    lastNumber &+= 1
    return lastNumber
  }

  mutating func act(_ action: RouterAction) {
    actions.append(action)
    effort += 1
  }

  /// Counts a walk through so many entries of a table.
  ///
  /// Many short walks are one long one: what is left of each counts with the next.
  mutating func walk(_ entries: Int) {
    let walked = entriesWalked + entries
    effort += walked / Self.entriesPerEffort
    entriesWalked = walked % Self.entriesPerEffort
  }

  /// Counts work that others will have because of this event: it is not theirs to pay.
  mutating func foresee(_ work: Int) { effort += work }

  /// The work since the last call, in actions.
  public mutating func drainEffort() -> Int {
    defer { (effort, hasSettled) = (0, false) }
    // What a turn of settling has ended is part of it.
    if hasSettled { settlingOwed = max(settlingOwed, effort) }
    return effort
  }

  /// Entries of a table that can be looked at in the time of one action.
  private static let entriesPerEffort = 256

  mutating func tell(
    _ agent: Incarnation, _ frame: RouterFrame, with token: DescriptorToken? = nil
  ) {
    guard let connection = agents[agent]?.connection else { return }
    act(.send(connection, .news, frame, token))
  }

  mutating func answer(_ asker: Requester, _ frame: RouterFrame, with token: DescriptorToken? = nil)
  {
    act(.send(asker.connection, .answer(asker.request), frame, token))
  }

  /// Refuses a request; nobody waits for the answer to request 0, so that one may be dropped.
  mutating func refuse(_ asker: Requester, _ code: BusErrorCode, _ text: String) {
    refuse(asker, number: code.rawValue, text)
  }

  /// Refuses for a reason that tells the agent more than the code does.
  mutating func refuse(_ asker: Requester, because cause: BusErrorCause, _ text: String) {
    refuse(asker, number: cause.rawValue, text)
  }

  mutating func refuse(_ asker: Requester, number: UInt16, _ text: String) {
    let delivery: Delivery = asker.request == 0 ? .news : .answer(asker.request)
    let frame = RouterFrame.error(ErrorFrame(code: number, text: text))
    act(.send(asker.connection, delivery, frame, nil))
  }

  /// Refuses what the policy does not give: the agent learns nothing, the operator the reason.
  mutating func deny(_ asker: Requester, because reason: String) {
    refuse(asker, .denied, Decision.remoteText)
    say(.notice, "denied: \(reason)")
  }

  /// Tells the operator; of equal lines, or lines of one kind, the first is logged and the others
  /// are counted for a while, so that nobody can fill a disk with the router's log.
  mutating func say(_ importance: LogImportance, _ text: String, kind: String? = nil) {
    if lines.isFirst(kind ?? text) { act(.log(importance, text)) }
  }

  mutating func closeAll(_ segments: [Segment]) {
    for segment in segments { act(.close(segment.token)) }
  }

  private mutating func tick(_ now: UInt64) {
    let awaited = awaitsAgents
    nowNs = now
    expireBlobs()
    for line in lines.due(now) { act(.log(.notice, line)) }
    if !inGrace {
      chargeHolders()
      offerMissed()
    }
    if returnEndNs == nil { returnEndNs = now &+ limits.graceNs }
    guard inGrace else {
      if awaited, !awaitsAgents { endReturnTime() }
      return
    }
    guard let end = graceEndNs else {
      graceEndNs = now &+ limits.graceNs
      return
    }
    if now >= end { endGrace() }
  }
}

/// Who sent a frame, and under which number it wants the answer.
struct Requester {
  let connection: ConnectionID
  let request: UInt32
}
