import BusLog
import BusMemory
import BusWire

/// Where a part of a streamed reply goes.
struct ReplyPlace: Hashable, Sendable {
  let peer: PeerID
  let lane: Lane
}

/// A part of a streamed reply on its way out.
struct ParkedPart: Sendable {
  let incoming: Incoming
  let payload: [UInt8]
  /// Of the handler that sends it.
  let waiter: Waiter<Void>
}

extension DeskState {
  /// Everything that may be working on a request.
  var handlers: [ServiceHandler] { Array(services.values) + retired }

  /// Answers a name no more; what is being worked on is finished.
  mutating func withdraw(_ name: String, only handler: ServiceHandler? = nil) {
    guard let index = messenger.out.numbers[name] else { return }
    if let handler, services[index] !== handler { return }
    if let service = services.removeValue(forKey: index) { retired.append(service) }
    retired.removeAll { $0.isIdle }
    messenger.unserve(name)
  }

  /// A requester has ended: nobody waits for what is done for it.
  mutating func stopWork(of peer: PeerID) {
    for handler in handlers { handler.cancelAll(of: peer) }
    retired.removeAll { $0.isIdle }
  }

  /// Sends a part of a streamed reply, or keeps it until there is room.
  mutating func send(_ part: ParkedPart) {
    let place = ReplyPlace(peer: part.incoming.peer, lane: part.incoming.lane)
    if !parked.holds(place), Self.trySend(part, &messenger.out) { return }
    guard parked.add(part, of: part.payload.count, to: place) else {
      part.waiter.finish(
        .failure(
          .resourceExhausted(
            "\(parked.bytes >> 20) MiB of replies wait for requesters that do not read")))
      return
    }
  }

  mutating func retryParked() {
    guard !parked.isEmpty else { return }
    parked.retry { _, part in Self.trySend(part, &messenger.out) }
  }

  /// Sends a part, or says why it is not to be sent; false when it must wait.
  private static func trySend(_ part: ParkedPart, _ out: inout Outbox) -> Bool {
    // Whoever sent it has gone: it was told so.
    guard !part.waiter.isOver else { return true }
    if let end = part.incoming.context.deadlineNs, end <= out.now().monotonicNs {
      part.waiter.finish(.failure(.timeout("the request's time was over before its reply was")))
      return true
    }
    guard !out.isCrowded(part.incoming.peer, part.incoming.lane) else { return false }
    do throws(BusError) {
      try out.reply(to: part.incoming, part.payload, more: true)
      part.waiter.finish(.success(()))
    } catch {
      part.waiter.finish(.failure(error))
    }
    return true
  }
}
