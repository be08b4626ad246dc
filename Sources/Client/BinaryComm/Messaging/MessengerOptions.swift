public import BusCounters

/// How a messenger works.
public struct MessengerOptions: Sendable, Equatable {
  /// Requests that may wait for their responses at one peer at a time: its credit.
  public var inFlight: Int
  /// Requests that may wait altogether.
  public var requestsMax: Int
  /// How the owner waits for messages.
  public var wait: WaitStrategy
  /// How much one conversation may send.
  public var conversationLimit: ConversationLimit

  /// Options; the defaults suit everything but benchmarks.
  public init(
    inFlight: Int = 64, requestsMax: Int = 4096, wait: WaitStrategy = .adaptive,
    conversationLimit: ConversationLimit = ConversationLimit()
  ) {
    self.inFlight = inFlight
    self.requestsMax = requestsMax
    self.wait = wait
    self.conversationLimit = conversationLimit
  }
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
  /// Direct messages and replies that waited for a recipient that ended or could not be reached;
  /// also among the drops.
  public var unsent: UInt64 = 0
  /// Direct messages handed to the program.
  public var eventsReceived: UInt64 = 0
  /// What was not handed to the program, or not sent, by reason.
  public var drops: [DropReason: UInt64] = [:]
}
