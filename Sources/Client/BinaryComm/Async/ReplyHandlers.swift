import BusMemory
import BusWire
import Synchronization

/// Where the replies of one request, or of one gathering, go.
protocol ReplyHandler: Sendable {
  /// Nobody waits any more.
  var isOver: Bool { get }
  /// The requests are on their way under these ids.
  func sent(_ ids: [UInt32])
  /// A reply; false when nobody wants more.
  func receive(_ reply: Reply, isLast: Bool) -> Bool
  /// One of the requests that were sent ends without a reply.
  func fail(_ error: BusError)
  /// Nothing was sent, or nothing more comes: whoever waited does so no more, whatever is still on
  /// its way.
  func abandon(_ error: BusError)
}

/// One task that waits for one outcome.
final class Promise<Value: Sendable>: Sendable {
  private struct State: Sendable {
    var outcome: Result<Value, BusError>?
    var continuation: CheckedContinuation<Result<Value, BusError>, Never>?
  }
  private let state = Mutex(State())

  var isOver: Bool { state.withLock { $0.outcome != nil } }

  /// The first outcome counts.
  func finish(_ outcome: Result<Value, BusError>) {
    let waiting = state.withLock { state in
      guard state.outcome == nil else {
        return nil as CheckedContinuation<Result<Value, BusError>, Never>?
      }
      state.outcome = outcome
      return state.continuation.take()
    }
    waiting?.resume(returning: outcome)
  }

  /// The outcome; a cancelled task has one at once.
  func wait() async throws(BusError) -> Value {
    let outcome = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let known = state.withLock { state in
          if state.outcome == nil { state.continuation = continuation }
          return state.outcome
        }
        if let known { continuation.resume(returning: known) }
      }
    } onCancel: {
      finish(.failure(.cancelled("the task that waited was cancelled")))
    }
    return try outcome.get()
  }
}

/// The single reply of a request.
final class SingleReplyHandler: ReplyHandler {
  let waiter = Promise<Reply>()

  var isOver: Bool { waiter.isOver }

  func sent(_ ids: [UInt32]) {}

  func receive(_ reply: Reply, isLast: Bool) -> Bool {
    // A single-reply request resolves with the first part of a streamed one.
    waiter.finish(.success(reply))
    return isLast
  }

  func fail(_ error: BusError) { waiter.finish(.failure(error)) }

  func abandon(_ error: BusError) { waiter.finish(.failure(error)) }
}

/// The replies of everybody who answers a service.
final class GatherReplyHandler: ReplyHandler {
  let waiter = Promise<GatherResult>()
  private let rule: GatherRule
  private struct State: Sendable {
    var open = 0
    var replies: [Reply] = []
    var failures: [BusError] = []
  }
  private let state = Mutex(State())

  init(_ rule: GatherRule) { self.rule = rule }

  var isOver: Bool { waiter.isOver }

  func sent(_ ids: [UInt32]) {
    state.withLock { $0.open = ids.count }
  }

  func receive(_ reply: Reply, isLast: Bool) -> Bool {
    let isWanted = state.withLock { state in
      state.replies.append(reply)
      if isLast { state.open -= 1 }
      return rule == .all || state.replies.count == 1
    }
    finishIfDone()
    return isWanted || isLast
  }

  func fail(_ error: BusError) {
    state.withLock { state in
      state.failures.append(error)
      state.open -= 1
    }
    finishIfDone()
  }

  func abandon(_ error: BusError) { waiter.finish(.failure(error)) }

  private func finishIfDone() {
    let (gathered, isDone, why) = state.withLock { state in
      let isDone = rule == .first && !state.replies.isEmpty || state.open <= 0
      let gathered = GatherResult(replies: state.replies, failures: state.failures)
      return (gathered, isDone, state.replies.isEmpty ? state.failures.first : nil)
    }
    guard isDone else { return }
    if let why { waiter.finish(.failure(why)) } else { waiter.finish(.success(gathered)) }
  }
}

/// The parts of a streamed reply, for one task that takes them in order.
final class StreamReplyHandler: ReplyHandler {
  let parts: BoundedBuffer<Reply>
  private let room: Int

  init(room: Int) {
    self.room = room
    parts = BoundedBuffer(room: room, bytesMax: Self.bytesMax) { $0.payload.count }
  }

  private static var bytesMax: Int { ClientLimits.own.replyPartBytes }

  var isOver: Bool { parts.isEnded }

  func sent(_ ids: [UInt32]) {}

  func receive(_ reply: Reply, isLast: Bool) -> Bool {
    switch parts.put(reply, isLast: isLast) {
    case .taken: return true
    case .ended: return false
    case .full:
      parts.end(
        .resourceExhausted(
          "\(room) parts of the reply, or \(Self.bytesMax >> 20) MiB, wait already: take them "
            + "faster, or give a larger buffer", cause: .queue))
      return false
    }
  }

  func fail(_ error: BusError) { parts.end(error) }

  func abandon(_ error: BusError) { parts.end(error) }
}

/// Direct messages for one task that takes them in order.
final class DirectMessageBuffer: Sendable {
  let messages: BoundedBuffer<DirectMessage>
  private let lost = Mutex<UInt64>(0)

  init(room: Int) {
    messages = BoundedBuffer(room: room, bytesMax: Self.bytesMax) { $0.payload.count }
  }

  private static var bytesMax: Int { ClientLimits.own.messageBytes }

  /// False when nobody takes them any more.
  func receive(_ message: DirectMessage) -> Bool {
    var message = message
    message.lostBefore = lost.withLock { $0 }
    switch messages.put(message) {
    case .taken: lost.withLock { $0 = 0 }
    case .full: lost.withLock { $0 += 1 }
    case .ended: return false
    }
    return true
  }
}
