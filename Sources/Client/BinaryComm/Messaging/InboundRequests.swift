import BusWire

/// The requests that one peer sends to this agent: which services it may call, how far its log was
/// read, and which of its requests were cancelled before they came.
package struct InboundRequests: Sendable {
  /// The services to which the peer may send requests, once it has written to this agent.
  package var mayCall: [TopicPattern] = []
  /// Requests with a lower number were seen, if they are of the log of its normal lane that was
  /// heard last: numbers begin anew with each log.
  private var seenNumber: UInt64 = 0
  private var tombstones = Tombstones()
  private var hasTombstones = false

  /// A peer that has sent nothing.
  package init() {}

  /// A message of its normal lane has come.
  @inline(__always)
  package mutating func heard(_ sequence: UInt64) {
    // A log that was heard before this one may still bring its last messages.
    seenNumber = max(seenNumber, sequence &+ 1)
  }

  /// Its normal lane goes on in a new log.
  package mutating func begin() { seenNumber = 0 }

  /// It cancels a request; false when that has surely not come, so that nobody works on it.
  ///
  /// `number`: the request's place in the normal lane, nil for one of the urgent lane, which lies
  /// before its cancel.
  package mutating func cancel(_ correlationId: UInt32, _ number: UInt64?) -> Bool {
    guard let number else { return true }
    // One that was seen, by its number, may as well be of the peer's next log.
    tombstones.add(Tombstone(correlationId: correlationId, number: number), seen: seenNumber)
    hasTombstones = true
    return number < seenNumber
  }

  /// Whether the request that has come was cancelled.
  @inline(__always)
  package mutating func isCancelled(_ correlationId: UInt32, _ number: UInt64) -> Bool {
    guard hasTombstones else { return false }
    let found = tombstones.take(Tombstone(correlationId: correlationId, number: number))
    hasTombstones = !tombstones.isEmpty
    return found
  }
}
