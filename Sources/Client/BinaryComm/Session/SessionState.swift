package import BusWire
import DequeModule

/// The life of an agent's control connection.
///
///     down ─connected─▶ greeting ─welcome─▶ registering ─registered─▶ up          (a new agent)
///      ▲                   │                    │  └──▶ restoring ──────▶ up   (one that is back)
///      └──── fail, lose ───┴────────────────────┴───────────┴─────────────┘     close ─▶ closed
///
/// A pure value: what happens comes in as calls, time and chance as arguments, and what is to be
/// done goes out as actions, in this order. ``ControlConnection`` lets it meet the kernel, a
/// simulation lets it meet the router's engine. A `Reply` is whatever waits for an answer.
package struct SessionState<Descriptor: Sendable, Reply: Sendable>: Sendable {
  package enum Phase: Sendable, Equatable {
    /// No router; the next attempt is due at ``dueNs``.
    case down
    /// Connected, and asked who is there.
    case greeting
    /// The router is asked to take this agent, or to take it back.
    case registering
    /// What this agent has is told to a router that does not know it.
    case restoring
    /// Frames flow.
    case up
    /// Closed, or fenced by a router; nothing is tried any more.
    case closed(BusError)
  }

  /// One frame as it is sent.
  package struct Outbound: Sendable {
    package let bytes: [UInt8]
    package let descriptor: Descriptor?
  }

  /// What is to be done, in this order.
  package enum Action: Sendable {
    /// The router has said who it is and what it allows; its clock's page beside it.
    case welcomed(WelcomeFrame, Descriptor?)
    /// Make the memory of this incarnation and ``register(_:)`` with it.
    case makeSegment(Incarnation)
    /// The router knows this agent, for the first time or again.
    case registered(RegisteredFrame, isFirst: Bool)
    /// ``restore(_:nowNs:pauseNs:)`` what the router has to be told.
    case collect
    /// The router does not take something back, and the rest goes on.
    case refused(RestoreStep<Descriptor>.Subject, BusError)
    /// An answer, or a row of one.
    case answered(Reply, RouterFrame, Descriptor?)
    /// An answer for which nobody waits any more.
    case unclaimed(RouterFrame)
    /// The request cannot be sent at all.
    case unsendable(Reply)
    /// The connection went before the answer came.
    case lost(Reply)
    /// A frame that answers nothing.
    case deliver(RouterFrame, Descriptor?)
    /// Frames flow.
    case up
    /// They flow no more.
    case down
    /// A router never takes this agent again, or the first attempts took too long.
    case ended(BusError)
  }

  /// Who this agent is, before a router knows it.
  package struct Greeting: Sendable {
    package let program: String
    package let name: String
    package let category: String
    package let id: BusUUID

    package init(program: String, name: String, category: String, id: BusUUID) {
      self.program = program
      self.name = name
      self.category = category
      self.id = id
    }
  }

  struct Identity: Sendable {
    let incarnation: Incarnation
    var ticket: ControlTicket
    let segment: Descriptor
  }

  /// What belongs to one connection until frames flow.
  struct Attempt: Sendable {
    /// The request whose answer it goes on with.
    var awaited: UInt32 = 0
    /// The memory that a new agent registers with.
    var segment: Descriptor?
    /// What came unasked meanwhile.
    var early: [(request: UInt32, frame: RouterFrame, descriptor: Descriptor?)] = []
    /// What a router says of its own before it closes a connection that it does not take.
    var refusal: BusError?
    /// What is still to be told, the next one last.
    var steps: [RestoreStep<Descriptor>] = []
    var step: RestoreStep<Descriptor>?
  }

  package internal(set) var phase = Phase.down
  /// When the next attempt begins (`down`), or this one has failed; monotonic ns.
  package internal(set) var dueNs: UInt64 = 0
  var attempt = Attempt()
  /// Who the router says this agent is, nil before the first registration.
  var identity: Identity?
  /// What the last full router said while somebody waits for the first registration.
  var fullness: BusError?
  var isLeaving = false
  let greeting: Greeting
  /// Until when the first attempts are repeated; monotonic ns.
  let firstEndNs: UInt64
  private var outbound = Deque<Outbound>()
  /// While the router is told what it does not know, everything else waits here.
  private var kept: [Outbound] = []
  private var pending: [UInt32: Reply] = [:]
  private var lastRequest: UInt32 = 0

  /// An agent that has never been registered and tries to be until a moment of the monotonic clock.
  package init(_ greeting: Greeting, untilNs: UInt64) {
    self.greeting = greeting
    firstEndNs = untilNs
  }

  /// How long an attempt may take once this agent has been registered.
  package static var attemptNs: UInt64 { 2_000_000_000 }
  /// The pause between the first attempts, for which somebody waits.
  package static var firstPauseNs: UInt64 { 20_000_000 }

  /// Frames flow.
  package var isUp: Bool { phase == .up }

  /// Why nothing is tried any more, nil while it may be.
  package var end: BusError? {
    if case .closed(let why) = phase { why } else { nil }
  }

  /// Why nothing new begins: the agent has ended, or is about to; nil while it may.
  package var closing: BusError? {
    end ?? (isLeaving ? .closed("the agent was closed") : nil)
  }

  /// There is a connection, which may not be up yet.
  package var isConnected: Bool {
    switch phase {
    case .greeting, .registering, .restoring, .up: true
    case .down, .closed: false
    }
  }

  // MARK: Frames of this agent

  /// Sends a frame that has no answer.
  ///
  /// Without a router it is dropped: the next one is told how things are then.
  package mutating func tell(_ frame: AgentFrame) {
    let bytes = Outbound(bytes: frame.encode(), descriptor: nil)
    switch phase {
    case .up: queue(bytes)
    // What the router is being told was so when that began: what changes comes behind.
    case .restoring: kept.append(bytes)
    case .down, .greeting, .registering, .closed: break
    }
  }

  /// Sends a request; returns its number, nil while there is no router.
  package mutating func ask(
    _ frame: AgentFrame, _ descriptor: Descriptor?, _ reply: Reply
  ) -> UInt32? {
    switch phase {
    case .up: queue(request(frame, descriptor))
    // Behind what was told meanwhile: a name that was let go and is wanted again, say.
    case .restoring: kept.append(request(frame, descriptor))
    case .down, .greeting, .registering, .closed: return nil
    }
    pending[lastRequest] = reply
    return lastRequest
  }

  /// Whoever asked waits no more.
  package mutating func withdraw(_ number: UInt32) { pending[number] = nil }

  /// The agent says goodbye: the end of the connection is wanted.
  package mutating func leave() { isLeaving = true }

  /// The agent ends.
  package mutating func close(_ why: BusError) -> [Action] {
    if end == nil { phase = .closed(why) }
    return forgetConnection()
  }

  // MARK: The socket

  /// The frame that is next for the socket.
  package var nextOutbound: Outbound? { outbound.first }

  /// The socket took it.
  package mutating func sent() { _ = outbound.popFirst() }

  /// The kernel never takes it.
  package mutating func unsendable(
    _ why: BusError, nowNs: UInt64, pauseNs: UInt64
  ) -> [Action] {
    guard let bytes = outbound.popFirst()?.bytes else { return [] }
    guard phase == .up else { return fail(why, nowNs: nowNs, pauseNs: pauseNs) }
    let reply = pending.removeValue(forKey: ControlFormat.request(of: bytes))
    return reply.map { [.unsendable($0)] } ?? []
  }

  mutating func send(_ frame: AgentFrame, _ descriptor: Descriptor? = nil) -> UInt32 {
    queue(request(frame, descriptor))
    return lastRequest
  }

  /// The next request, under a number of its own.
  private mutating func request(_ frame: AgentFrame, _ descriptor: Descriptor?) -> Outbound {
    lastRequest = lastRequest == .max ? 1 : lastRequest + 1
    return Outbound(bytes: frame.encode(request: lastRequest), descriptor: descriptor)
  }

  mutating func queue(_ frame: Outbound) { outbound.append(frame) }

  /// Sends what has waited for the end of the restoring.
  mutating func releaseKept() {
    for frame in kept { queue(frame) }
    kept = []
  }

  /// An answer to a request: an action for whoever asked.
  mutating func answer(_ request: UInt32, _ frame: RouterFrame, _ descriptor: Descriptor?) -> Action
  {
    guard let reply = pending[request] else { return .unclaimed(frame) }
    // More rows come until their end.
    if case .row = frame {} else { pending[request] = nil }
    return .answered(reply, frame, descriptor)
  }

  /// Nothing of this connection goes on: whoever waits for an answer is told.
  mutating func forgetConnection() -> [Action] {
    let waiting = pending.sorted { $0.key < $1.key }
    pending = [:]
    kept = []
    outbound = []
    attempt = Attempt()
    return waiting.map { .lost($0.value) }
  }
}
