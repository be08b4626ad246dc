import BusMemory
import BusWire
import Synchronization

/// Where the replies of one request, or of one gathering, go.
protocol ReplyHandler: Sendable {
  /// Nobody waits any more.
  var isOver: Bool { get }
  /// The requests are on their way under these ids.
  func sent(_ ids: [UInt32])
  /// A reply to one of them; false when nobody wants more of it.
  func receive(_ reply: Reply, of id: UInt32, isLast: Bool) -> Bool
  /// One of them ends without a reply.
  func fail(_ error: BusError, of id: UInt32)
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

  func receive(_ reply: Reply, of id: UInt32, isLast: Bool) -> Bool {
    // A single-reply request resolves with the first part of a streamed one.
    waiter.finish(.success(reply))
    return isLast
  }

  func fail(_ error: BusError, of id: UInt32) { waiter.finish(.failure(error)) }

  func abandon(_ error: BusError) { waiter.finish(.failure(error)) }
}

/// The replies of everybody who answers a service.
final class GatherReplyHandler: ReplyHandler {
  let waiter = Promise<GatherResult>()
  private let gathering: Mutex<Gathering>

  init(_ rule: GatherRule) { gathering = Mutex(Gathering(rule)) }

  var isOver: Bool { waiter.isOver }

  func sent(_ ids: [UInt32]) { gathering.withLock { $0.sent(ids) } }

  func receive(_ reply: Reply, of id: UInt32, isLast: Bool) -> Bool {
    let (isWanted, outcome) = gathering.withLock { gathering in
      (gathering.receive(reply, of: id, isLast: isLast), gathering.outcome)
    }
    if let outcome { waiter.finish(outcome) }
    return isWanted
  }

  func fail(_ error: BusError, of id: UInt32) {
    let outcome = gathering.withLock { gathering in
      gathering.fail(error, of: id)
      return gathering.outcome
    }
    if let outcome { waiter.finish(outcome) }
  }

  func abandon(_ error: BusError) { waiter.finish(.failure(error)) }
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

  func receive(_ reply: Reply, of id: UInt32, isLast: Bool) -> Bool {
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

  func fail(_ error: BusError, of id: UInt32) { parts.end(error) }

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
