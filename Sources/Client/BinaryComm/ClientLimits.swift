import BusLog

/// What may wait in an agent's own process, so that whoever is slow costs it a known amount.
///
/// Of bytes, the last element is not counted: one that is larger than the bound is taken, too.
/// `Docs/operating/limits.md` says what is seen beyond each.
package struct ClientLimits: Sendable {
  /// Payloads of one asynchronous subscription that its consumer has not taken.
  package let subscriptionBytes = 64 << 20
  /// Parts of one streamed reply that its consumer has not taken, beside their count, and all that
  /// one gathering holds.
  package let replyPartBytes = 256 << 20
  /// Direct messages that one consumer has not taken, beside their count.
  package let messageBytes = 256 << 20
  /// Messages and replies that wait for the thread that sends them.
  package let outgoing = 65536
  /// The payloads of these.
  package let outgoingBytes = 256 << 20
  /// Requests that wait for credit, or for their name to be known.
  package let asks = 16384
  /// The payloads of these.
  package let askBytes = 256 << 20
  /// Requests that wait for the handler of one service.
  package let handlerRequests = 16384
  /// The payloads of these.
  package let handlerBytes = 256 << 20
  /// Replies, and parts of them, that wait for one requester that does not read.
  package let parkedPerRequester = 4096
  /// The payloads of these, of all requesters.
  package let parkedBytes = 256 << 20
  /// Tasks that wait in `publish` for room on one channel.
  package let publishTasks = 65536
  /// The payloads of these.
  package let publishBytes = 256 << 20

  /// Topics of one stream that a reader knows by their ids.
  package let topicsPerStream = Int(LogTopicTable.topicsMax)
  /// Streams that are asked for again because their hand-over was lost.
  package let lostHandOvers = 256
  /// How often each of these is asked for.
  package let handOverTries = 16
  /// Counters of agents that have ended, which a watch still shows.
  package let endedCounterBytes = 16 << 20

  package init() {}

  /// Those that hold.
  package static let own = ClientLimits()
}
