import BusWire

/// What has come of a request to everybody who answers a service.
///
/// A plain value: what happens is told to it. What it holds is bounded in bytes, of all responders
/// together; one that sends more has failed, and what came before stays.
package struct Gathering: Sendable {
  private let rule: GatherRule
  private let bytesMax: Int
  /// The requests of which more may come.
  private var open: Set<UInt32> = []
  private var bytes = 0
  private var replies: [Reply] = []
  private var failures: [BusError] = []

  /// One that holds so many bytes, the last part not counted.
  package init(_ rule: GatherRule, bytesMax: Int = ClientLimits.own.replyPartBytes) {
    self.rule = rule
    self.bytesMax = bytesMax
  }

  /// The requests are on their way under these ids.
  package mutating func sent(_ ids: [UInt32]) { open = Set(ids) }

  /// A reply to one of the requests, or a part of one; false when nobody wants more of it.
  package mutating func receive(_ reply: Reply, of id: UInt32, isLast: Bool) -> Bool {
    guard open.contains(id) else { return false }
    guard bytes < bytesMax else {
      fail(
        .resourceExhausted(
          "\(bytes >> 20) MiB of replies were gathered before that of \(reply.responder)",
          cause: .queue), of: id)
      return false
    }
    replies.append(reply)
    // One without a payload takes memory, too.
    bytes += reply.payload.count + MemoryLayout<Reply>.stride
    if isLast { open.remove(id) }
    return isLast || rule == .all || replies.count == 1
  }

  /// One of the requests ends without a reply.
  package mutating func fail(_ error: BusError, of id: UInt32) {
    guard open.remove(id) != nil else { return }
    failures.append(error)
  }

  /// What is to be told when it is over; nil while more may come.
  package var outcome: Result<GatherResult, BusError>? {
    guard open.isEmpty || rule == .first && !replies.isEmpty else { return nil }
    if replies.isEmpty, let why = failures.first { return .failure(why) }
    return .success(GatherResult(replies: replies, failures: failures))
  }
}
