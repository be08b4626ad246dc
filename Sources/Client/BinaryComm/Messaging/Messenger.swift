import BusCounters
import BusLog
import BusMemory
import BusSystem
import BusWire
import Synchronization

/// An agent's side of all its conversations: for the thread that owns it.
///
/// ```swift
/// var desk = try agent.messenger()
/// try desk.answer("math.add")
/// while running {
///   let taken = try desk.poll { message, incoming, out in
///     if incoming.kind == .request { try? out.reply(to: incoming, message.payload) }
///   }
///   if taken == 0 { _ = try desk.wait(timeout: .seconds(1)) }
/// }
/// ```
///
/// No call but ``wait(timeout:)`` and ``answer(_:)`` waits for anything. An agent has one
/// messenger.
public struct Messenger: ~Copyable, Sendable {
  var inbox: Reader
  let core: MessengerShared
  var seenChanges: UInt64 = 0
  var idlePolls = 0
  var untickedPolls = 0
  var lastSweepNs: UInt64 = 0
  /// How many of the inbox's problems ``out`` has heard of.
  private var notedProblems = 0
  /// Names that a router refused, and of which the program was not told.
  private var lostNames: [LostName] = []

  /// What is sent from here.
  public var out: MessengerContext

  init(_ inbox: consuming Reader, _ core: MessengerShared, _ options: MessengerOptions) {
    self.inbox = inbox
    self.core = core
    out = MessengerContext(core, options)
  }

  deinit {
    core.letAllGo()
    core.agent.state.withLock { $0.messenger = nil }
  }

  // MARK: Names

  /// Answers requests to a service from now on; returns the number by which
  /// ``InboxMessage/service`` names it.
  ///
  /// Throws `denied` without the right to answer it, `nameInUse` for another agent's own name.
  @discardableResult
  public mutating func answer(_ service: String) throws(BusError) -> Int {
    try join(PeerName(group: .service, text: service))
  }

  /// Takes the messages to a team from now on; returns the number by which ``InboxMessage/service``
  /// names it.
  @discardableResult
  public mutating func join(team: String) throws(BusError) -> Int {
    try join(PeerName(group: .team, text: team))
  }

  private mutating func join(_ name: PeerName) throws(BusError) -> Int {
    let end = Deadline(after: .seconds(5))
    // Known here before anybody can send to it.
    let index = out.served.add(name.text)
    guard name.text != core.agent.name || name.group == .team else { return index }
    do throws(BusError) {
      try core.answer(name, deadline: end)
    } catch {
      unserve(name.text)
      throw error
    }
    return index
  }

  /// Answers a service no more; requests that arrive for it are refused.
  public mutating func stopAnswering(_ service: String) throws(BusError) {
    try leave(PeerName(group: .service, text: service))
  }

  /// Leaves a team.
  public mutating func leave(team: String) throws(BusError) {
    try leave(PeerName(group: .team, text: team))
  }

  private mutating func leave(_ name: PeerName) throws(BusError) {
    core.giveUp(name)
    unserve(name.text)
    try core.stopAnswering(name, deadline: Deadline(after: .seconds(5)))
  }

  /// Refuses what arrives for a name, whatever is known of the topics of open streams; not while
  /// somebody else here answers it, a team by the name of a service as well.
  mutating func unserve(_ name: String) {
    guard !core.isAnswered(name) else { return }
    out.served.remove(name)
    inbox.forgetVerdicts()
  }

  private mutating func lose(_ lost: LostName) {
    if !lost.isAskedAgain { unserve(lost.name) }
    // Of each the newest word: nobody may ever take them.
    lostNames.removeAll { $0.name == lost.name && $0.isTeam == lost.isTeam }
    lostNames.append(lost)
  }

  /// Names that were answered, or teams, and that a router has refused since the last call.
  ///
  /// That happens after a restart of the router, when the policy has changed, say. The messenger
  /// goes on; what is not asked for again (``LostName/isAskedAgain``) may be answered anew.
  public mutating func drainLostNames() -> [LostName] {
    defer { lostNames = [] }
    return lostNames
  }

  // MARK: The loop

  /// Hands what arrived to `onMessage` and requests that failed to `onFailure`; returns how many
  /// messages there were.
  ///
  /// Throws `closed` when the agent was closed, and why when no router takes it back. A peer whose
  /// messages cannot be read throws nothing: see ``drainProblems()``.
  public mutating func poll(
    limit: Int = 64,
    _ onMessage: (borrowing Message, InboxMessage, inout MessengerContext) -> Void,
    onFailure: (RequestFailure, inout MessengerContext) -> Void = { _, _ in }
  ) throws(BusError) -> Int {
    if _slowPath(core.changes.word.loadRelaxed() != seenChanges) { applyEvents() }
    // What was sent since the last poll goes out before this one looks for answers.
    out.flush()
    var taken = 0
    do throws(BusError) {
      taken = try Self.receive(limit, from: &inbox, &out, onMessage)
    } catch {
      // One peer's broken log, or one for which there is no room here, ends its stream alone.
      guard inbox.agentEnd == nil else { throw error }
      out.count(.malformed)
      out.noteUnreadable(inbox.problems[notedProblems...])
      notedProblems = inbox.problems.count
    }
    if _slowPath(out.awaitsLastMessages) { out.closeDrained(inbox) }
    idlePolls = taken == 0 ? idlePolls &+ 1 : 0
    untickedPolls &+= 1
    if idlePolls & 31 == 1 || untickedPolls >= 32 || taken >= limit { tick() }
    while !out.failures.isEmpty {
      let failed = out.failures
      out.failures.removeAll(keepingCapacity: true)
      for failure in failed { onFailure(failure, &out) }
    }
    out.flush()
    return taken
  }

  // Apart, so that the handlers are lent the one while the other is being polled.
  private static func receive(
    _ limit: Int, from inbox: inout Reader, _ out: inout MessengerContext,
    _ onMessage: (borrowing Message, InboxMessage, inout MessengerContext) -> Void
  ) throws(BusError) -> Int {
    try inbox.poll(limit: limit) { message in out.admit(message, onMessage) }
  }

  /// What is looked at now and then: deadlines, and what could not be asked without a router.
  private mutating func tick() {
    untickedPolls = 0
    let nowNs = out.now().monotonicNs
    out.expire(nowNs)
    guard nowNs >= lastSweepNs + 500_000_000 else { return }
    lastSweepNs = nowNs
    out.askAgain()
    core.answerAgain(nowNs)
    out.forgetAnswered()
    out.forgetStrangers()
  }

  /// Applies what the service thread left.
  private mutating func applyEvents() {
    seenChanges = core.changes.word.loadRelaxed()
    for event in core.drainEvents() {
      switch event {
      case .responders(let frame): out.handle(frame)
      case .refused(let name, let why): out.refused(name, why)
      case .lost(_, let lost): lose(lost)
      case .left(let channel, let number, let answers): out.left(channel, number, answers)
      case .gone(let peer): out.leave(peer)
      case .lane(let channel, let number, let outcome): handle(channel, number, outcome)
      case .unmet(let channel, let stream, let why): out.closeUnmet(channel, stream, why)
      }
    }
  }

  private mutating func handle(
    _ channel: InboxChannel, _ number: UInt64, _ outcome: Result<Handover<Publisher>, BusError>
  ) {
    guard let key = out.key(of: channel) else { return }
    switch outcome {
    case .success(let made):
      if let publisher = made.take() { out.opened(key, number, publisher) }
    case .failure(let why):
      // It has no inbox now; the router says so when it has one again.
      if why.code == .peerDied { out.names.strike(key.peer) }
      out.notOpened(key, why)
    }
  }

  /// Waits until there may be something to poll; false at the timeout.
  ///
  /// Also returns, false, when a request's time is over, so that a poll can tell.
  public mutating func wait(timeout: Duration) throws(BusError) -> Bool {
    if core.changes.word.loadRelaxed() != seenChanges || !out.failures.isEmpty { return true }
    out.flush()
    var most = timeout
    if !out.waitingLanes.isEmpty { most = min(most, .milliseconds(1)) }
    if !out.orphans.isEmpty { most = min(most, .milliseconds(20)) }
    if let endNs = out.requests.nextExpiryNs {
      let nowNs = out.now().monotonicNs
      let left = endNs > nowNs ? endNs - nowNs : 0
      most = min(most, .nanoseconds(Int64(clamping: left)))
    }
    idlePolls = 0
    return try inbox.wait(timeout: most)
  }

  /// Shows everything that was sent since the last poll.
  public mutating func flush() { out.flush() }

  /// What was done so far.
  public var statistics: ConversationStatistics { out.statistics }

  /// What the inbox has seen so far.
  public var inboxStatistics: ReaderStatistics { inbox.statistics }

  /// Peers whose messages could not be read since the last call, and why; at most 64 are kept.
  ///
  /// They were corrupt, or this process had no descriptor or no memory left for them.
  public mutating func drainProblems() -> [StreamProblem] {
    notedProblems = 0
    return inbox.drainProblems()
  }

  /// How much of what the router has said waits for the next poll.
  package var newsWaiting: Int { core.eventCount }

  /// How many logs to peers were made so far.
  package var logsMade: UInt64 { core.lanesMade }

  /// The name of a peer, nil when it has ended and all about it is forgotten.
  public func name(of peer: PeerID) -> String? { out.name(of: peer) }

  /// Waits until everything that was sent lies in the log to its recipient; false at the timeout.
  ///
  /// The first message to a peer waits for its log to be made, others for room.
  @discardableResult
  public mutating func drain(timeout: Duration) -> Bool {
    let end = Deadline(after: timeout)
    while true {
      if core.changes.word.loadRelaxed() != seenChanges { applyEvents() }
      out.flush()
      if out.isFlushed { return true }
      guard !end.isOver else { return false }
      SystemThread.sleep(microseconds: 100)
    }
  }

  /// Takes no more messages; who waits for an answer of this agent is told that it is gone.
  ///
  /// Waits up to a second for what was sent to lie in its log; what still waits then is dropped,
  /// and nothing can be sent from here on.
  public mutating func close() {
    drain(timeout: .seconds(1))
    core.letAllGo()
    inbox.close()
    // Who waits for an answer reads on until the end of these, and only then is told.
    out.closeLanes()
  }
}
