/// How a messenger works.
public struct MessengerOptions: Sendable, Equatable {
  /// Requests that may wait for their responses at one peer at a time: its credit.
  public var inFlight: Int
  /// Requests that may wait altogether.
  public var requestsMost: Int
  /// How the owner waits for messages.
  public var wait: WaitStrategy
  /// How much one conversation may send.
  public var conversationLimit: ConversationLimit

  /// Options; the defaults suit everything but benchmarks.
  public init(
    inFlight: Int = 64, requestsMost: Int = 4096, wait: WaitStrategy = .adaptive,
    conversationLimit: ConversationLimit = ConversationLimit()
  ) {
    self.inFlight = inFlight
    self.requestsMost = requestsMost
    self.wait = wait
    self.conversationLimit = conversationLimit
  }
}

/// Why a message was not handed to the program.
public enum InboxDrop: String, Sendable, CaseIterable {
  /// A response to a request that does not wait, or not for this peer.
  case unknownCorrelation = "unknown_correlation"
  /// The sender may not call that name.
  case noRight = "no_right"
  /// This agent does not answer that name.
  case unknownName = "unknown_name"
  /// Its time was over.
  case expired
  /// Its extension breaks the format.
  case malformed
  /// It was passed on too often.
  case tooManyHops = "too_many_hops"
  /// A request that was taken back before it was started.
  case cancelled
  /// Not sent: its conversation sent too much.
  case rateLimited = "rate_limited"
  /// Not sent: too much waits for its recipient already.
  case queueFull = "queue_full"
  /// A kind of message that does not belong into an inbox.
  case unexpected
  /// A reply whose requester has ended.
  case peerGone = "peer_gone"
  /// A direct message whose recipient ended or could not be reached.
  case unreachable
}

/// What a messenger has done so far.
public struct ConversationStatistics: Sendable, Equatable {
  /// Requests sent.
  public var requestsSent: UInt64 = 0
  /// Requests handed to the program.
  public var requestsReceived: UInt64 = 0
  /// Responses sent, those that more follow included.
  public var responsesSent: UInt64 = 0
  /// Errors sent.
  public var errorsSent: UInt64 = 0
  /// Responses handed to the program.
  public var responsesReceived: UInt64 = 0
  /// Direct messages sent, one for each recipient.
  public var eventsSent: UInt64 = 0
  /// Direct messages handed to the program.
  public var eventsReceived: UInt64 = 0
  /// What was dropped, by reason.
  public var drops: [InboxDrop: UInt64] = [:]
}
