public import BusWire

/// One agent at the other end of a conversation, for as long as it lives.
public struct PeerID: Hashable, Sendable {
  let index: Int
  /// Its incarnation: a successor of the same name is another peer.
  public let incarnation: UInt64
}

/// What the sender of a message passes on to messages that follow from it.
public struct MessageContext: Sendable, Equatable {
  /// When the work is of no use any more, in nanoseconds of CLOCK_MONOTONIC, so that a step of the
  /// wall clock does not move it; nil: no such time.
  public var deadlineNs: UInt64? {
    get { hasDeadline ? endNs : nil }
    set {
      hasDeadline = newValue != nil
      endNs = newValue ?? 0
    }
  }
  /// How often the work was passed on so far.
  public var hops: UInt8
  /// What ties the messages of one conversation together.
  public var conversation: BusUUID? {
    get { hasConversation ? conversationId : nil }
    set {
      hasConversation = newValue != nil
      conversationId = newValue ?? Self.none
    }
  }
  /// Where the work stands in a distributed trace.
  public var trace: TraceContext? {
    get {
      hasTrace ? TraceContext(traceId: traceId, parentId: parentId, flags: traceFlags) : nil
    }
    set {
      hasTrace = newValue != nil
      traceId = newValue?.traceId ?? Self.none
      parentId = newValue?.parentId ?? 0
      traceFlags = newValue?.flags ?? 0
    }
  }

  // Whole words in their places: a context is handed on several times with each message, and
  // optionals (17 and 26 bytes) are copied by moves that lie across the stores before them.
  private var hasDeadline: Bool
  private var hasConversation = false
  private var hasTrace = false
  private var traceFlags: UInt8 = 0
  private var endNs: UInt64
  private var conversationId = none
  private var traceId = none
  private var parentId: UInt64 = 0
  private static var none: BusUUID { BusUUID(word0: 0, word1: 0) }

  /// The context of work that starts here.
  public init(
    deadlineNs: UInt64? = nil, hops: UInt8 = 0, conversation: BusUUID? = nil,
    trace: TraceContext? = nil
  ) {
    hasDeadline = deadlineNs != nil
    endNs = deadlineNs ?? 0
    self.hops = hops
    if let conversation { self.conversation = conversation }
    if let trace { self.trace = trace }
  }

  /// Neither a conversation nor a trace.
  var isPlain: Bool { !hasConversation && !hasTrace }

  /// When a request that follows from this is over: after its own timeout, and never later than
  /// what it follows from.
  ///
  /// Throws `timeout` when no time is left.
  func deadline(after timeoutNs: UInt64, from nowNs: UInt64) throws(BusError) -> UInt64 {
    let end = min(nowNs.addingSaturated(timeoutNs), deadlineNs ?? .max)
    guard end > nowNs else { throw .timeout("no time is left for this request") }
    return end
  }

  /// Nanoseconds until the deadline, 0 when it is over; nil: there is none.
  ///
  /// `nowNs`: CLOCK_MONOTONIC.
  public func timeLeft(_ nowNs: UInt64) -> UInt64? {
    deadlineNs.map { $0 > nowNs ? $0 &- nowNs : 0 }
  }
}

/// A message that arrived in this agent's inbox, without its bytes.
public struct InboxMessage: Sendable {
  /// What it is.
  public enum Kind: Sendable, Equatable {
    /// Waits for a reply.
    case request
    /// Answers a request of this agent; more may follow when ``InboxMessage/isLast`` is false.
    case response
    /// A fact, for this agent or a team it is in.
    case event
    /// An order, for this agent or a team it is in.
    case command
    /// The sender of an earlier request wants it stopped.
    case cancel
  }

  /// What it is.
  public let kind: Kind
  /// Who sent it.
  public let peer: PeerID
  /// What matches requests, responses and cancels.
  public let correlationId: UInt32
  /// Which of this agent's services it is for: an index in the order of ``Messenger/answer(_:)``,
  /// 0 for the agent's own name; nil for responses and cancels.
  public let service: Int?
  /// The lane it came in, which is the lane of the reply.
  public let lane: Lane
  /// Of a response: nothing follows.
  public let isLast: Bool
  /// What messages that follow from it inherit.
  public let context: MessageContext
}

/// What happened to a request that this agent sent and that no response ends.
public struct RequestFailure: Error, Sendable, Equatable {
  /// The request.
  public let correlationId: UInt32
  /// The agent that was asked; nil: none had been chosen yet.
  public let responder: String?
  /// Why there is no response.
  public let error: BusError
}
