import BusLog
import BusMemory
import BusWire

/// Where a reply goes.
struct ReplyPlace: Hashable, Sendable {
  let peer: PeerID
  let lane: Lane
}

/// A reply, or a part of one, on its way out.
struct StalledPart: Sendable {
  let incoming: InboxMessage
  let content: Result<[UInt8], BusError>
  /// Of the handler that sends a part; nil: this is the end of the reply.
  let waiter: Promise<Void>?

}

extension Result<[UInt8], BusError> {
  /// How many bytes a reply of this holds while it waits.
  var byteCount: Int {
    switch self {
    case .success(let payload): payload.count
    case .failure(let error): error.detail.utf8.count
    }
  }
}

extension MessengerLoopState {
  /// Everything that may be working on a request.
  var handlers: [ServiceHandler] { Array(services.values) + retired }

  /// Answers a name no more; what is being worked on is finished.
  mutating func withdraw(_ name: String, only handler: ServiceHandler? = nil) {
    guard let index = messenger.out.served.number(of: name) else { return }
    if let handler, services[index] !== handler { return }
    if let service = services.removeValue(forKey: index) { retired.append(service) }
    letGo()
    messenger.unserve(name)
  }

  /// Handlers that were stopped and have nothing left to do are held no more.
  mutating func letGo() {
    if !retired.isEmpty { retired.removeAll { $0.isIdle } }
  }

  /// A requester has ended: nobody waits for what is done for it.
  mutating func stopWork(of peer: PeerID) {
    for handler in handlers { handler.cancelAll(of: peer) }
    letGo()
  }

  /// Answers a request whose handler has ended.
  mutating func finish(_ incoming: InboxMessage, _ outcome: Result<[UInt8], BusError>) {
    letGo()
    send(StalledPart(incoming: incoming, content: outcome, waiter: nil))
  }

  /// Sends a reply or a part of one, or keeps it until there is room.
  mutating func send(_ part: StalledPart) {
    let place = ReplyPlace(peer: part.incoming.peer, lane: part.incoming.lane)
    if !parked.holds(place), Self.trySend(part, &messenger.out) { return }
    guard !parked.add(part, of: part.content.byteCount, to: place) else { return }
    let refusal = BusError.resourceExhausted(
      "\(parked.bytes >> 20) MiB of replies wait for requesters that do not read", cause: .queue)
    if let waiter = part.waiter {
      waiter.finish(.failure(refusal))
    } else {
      // In place of the reply; of a requester to which even that cannot be told, nothing is kept.
      let told = StalledPart(incoming: part.incoming, content: .failure(refusal), waiter: nil)
      _ = parked.add(told, of: 0, to: place)
    }
  }

  mutating func retryParked() {
    guard !parked.isEmpty else { return }
    parked.retry { _, part in Self.trySend(part, &messenger.out) }
  }

  /// Sends a part, or says why it is not to be sent; false when it must wait.
  private static func trySend(_ part: StalledPart, _ out: inout MessengerContext) -> Bool {
    // Whoever sent it has gone: it was told so.
    if let waiter = part.waiter {
      guard !waiter.isOver else { return true }
      if let end = part.incoming.context.deadlineNs, end <= out.now().monotonicNs {
        waiter.finish(.failure(.timeout("the request's time was over before its reply was")))
        return true
      }
    }
    guard !out.isCrowded(part.incoming.peer, part.incoming.lane) else { return false }
    do throws(BusError) {
      switch part.content {
      case .success(let payload):
        try out.reply(to: part.incoming, payload, more: part.waiter != nil)
      case .failure(let error): try out.fail(part.incoming, error)
      }
      part.waiter?.finish(.success(()))
    } catch {
      if let waiter = part.waiter {
        waiter.finish(.failure(error))
      } else if error.code != .peerDied {
        // What cannot be sent as it is must not leave the requester waiting.
        try? out.fail(part.incoming, error)
      }
    }
    return true
  }
}
