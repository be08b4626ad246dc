public import BusWire

/// What came back for a request.
public struct Reply: Sendable, Equatable {
  /// The responder's bytes.
  public let payload: [UInt8]
  /// The responder's name.
  public let responder: String

  package init(payload: [UInt8], responder: String) {
    self.payload = payload
    self.responder = responder
  }
}

/// What became of a request that was sent to every responder of a service.
public struct GatherResult: Sendable {
  /// What came back, in the order in which it came.
  public let replies: [Reply]
  /// Why the others did not answer.
  public let failures: [BusError]
}

/// What became of a message that was sent to every member of a team, as far as the call knows.
///
/// The first message to a member waits for a log to it, and others may wait for room: they count as
/// sent. What of that still fails later, as the member ends or the router refuses the log, is not
/// here: it is counted with its reason, by ``ConversationStatistics/unsent`` of a ``Messenger`` and
/// among the drops of the agent's counters.
public struct Delivery: Sendable, Equatable {
  /// To how many it was sent, or goes as soon as it can; 0 while not all members are known: then it
  /// is sent when the router says who they are.
  public internal(set) var sent = 0
  /// To whom it could not be sent, as far as that is known at once.
  public internal(set) var failures: [DeliveryFailure] = []
}

/// A member of a team that a message could not be sent to.
public struct DeliveryFailure: Sendable, Equatable {
  /// Its name.
  public let agent: String
  /// Why not.
  public let error: BusError
}

/// When a gathering is over.
public enum GatherRule: Sendable, Equatable {
  /// With the first reply; the other requests are cancelled.
  case first
  /// When everybody has answered or failed, or at the deadline.
  case all
}

/// An error that a service answers with: a code of its own, from 1000 on, and a sentence.
public struct ServiceError: Error, Sendable, Equatable {
  /// The code, which the requester is told.
  public let code: UInt32
  /// The sentence.
  public let text: String

  /// An error of a service; codes below 1000 are the bus's own and are sent as 1000 more.
  public init(code: UInt32 = 1000, _ text: String) {
    self.code = code < 1000 ? code + 1000 : code
    self.text = text
  }
}

/// A message that was sent to this agent, or to a team it is in.
public struct DirectMessage: Sendable {
  /// The bytes.
  public let payload: [UInt8]
  /// Who sent it.
  public let sender: String
  /// The name it was sent to: the agent's own, or a team's.
  public let name: String
  /// Whether it is an order, rather than a fact.
  public let isCommand: Bool
  /// Its priority as the sender set it.
  public let priority: Priority?
  /// What messages that follow from it should inherit.
  public let context: MessageContext
  /// Messages that were lost directly before this one, because the consumer's buffer was full.
  public internal(set) var lostBefore: UInt64 = 0
}

/// Messages to an agent and its teams, as an asynchronous sequence.
///
/// One consumer. Ends with the agent, with ``cancel()``, or when nobody holds it any more.
public struct DirectMessages: AsyncSequence, Sendable {
  /// What the sequence yields.
  public typealias Element = DirectMessage
  /// What may end it.
  public typealias Failure = BusError
  private let owner: SinkOwner

  init(_ sink: DirectMessageBuffer) { owner = SinkOwner(sink) }

  /// Hands out messages one by one.
  public struct Iterator: AsyncIteratorProtocol {
    fileprivate let owner: SinkOwner

    /// The next message; nil when the sequence has ended, or the task is cancelled.
    public mutating func next() async throws(BusError) -> DirectMessage? {
      try await owner.sink.messages.next()
    }

    /// The next message; isolation makes no difference here.
    public mutating func next(
      isolation actor: isolated (any Actor)?
    ) async throws(BusError) -> DirectMessage? {
      try await owner.sink.messages.next()
    }
  }

  /// Starts iterating; a sequence has one iterator.
  public func makeAsyncIterator() -> Iterator { Iterator(owner: owner) }

  /// Ends the sequence after what is buffered.
  public func cancel() { owner.sink.messages.end() }
}

/// Ends the sink when neither the sequence nor its iterator is held any more.
private final class SinkOwner: Sendable {
  let sink: DirectMessageBuffer
  init(_ sink: DirectMessageBuffer) { self.sink = sink }
  deinit { sink.messages.end() }
}

/// What messages sent by the current task follow from.
public enum Conversation {
  /// Set while a service's handler runs: requests made in it inherit deadline, hops, conversation
  /// and trace.
  @TaskLocal public static var current: MessageContext?
}
