import BusLog
import BusMemory
import BusWire

// What waits for a log to its recipient, or for room in it.

extension Outbox {
  /// Whom messages wait for, and what for.
  package var stalled: [DeliveryFailure] {
    waitingLanes.compactMap { key in
      guard let peer = unsafe lines.at(key.peer) else { return nil }
      let out = unsafe peer.pointee.lane(key.lane)
      guard unsafe !out.pointee.waiting.isEmpty else { return nil }
      let name = unsafe peer.pointee.name
      let late = BusError.timeout("\(name) did not make room for the message in time")
      return unsafe DeliveryFailure(agent: name, error: out.pointee.shortage?.why ?? late)
    }
  }

  /// Whether a message waits until what its log lacks is there again.
  ///
  /// Requests and their answers do, until their deadline: somebody waits for them. Who sends
  /// anything else is told at once, and may send it again.
  mutating func outlasts(
    _ why: BusError, _ letter: OutboundHeader, _ out: UnsafeMutablePointer<OutboundLane>,
    _ now: HostTime
  ) -> Bool {
    guard why.mayPass, [.request, .response, .error].contains(letter.type) else { return false }
    unsafe note(why, out, now)
    return true
  }

  /// Notes what a lane lacks.
  private mutating func note(
    _ why: BusError, _ out: UnsafeMutablePointer<OutboundLane>, _ now: HostTime
  ) {
    let retryNs = now.monotonicNs &+ LaneShortage.pauseNs
    let sinceNs = unsafe out.pointee.shortage?.sinceNs ?? now.monotonicNs
    unsafe out.pointee.shortage = LaneShortage(why: why, sinceNs: sinceNs, retryNs: retryNs)
  }

  /// Has a log made for a lane, but not again at once where that has just failed, or another one
  /// was just made; without a router it is tried again later.
  mutating func begin(
    _ line: Int, _ lane: Lane, _ out: UnsafeMutablePointer<OutboundLane>, _ now: HostTime
  ) throws(BusError) {
    if let shortage = unsafe out.pointee.shortage, now.monotonicNs < shortage.retryNs {
      throw shortage.why
    }
    // A peer that has room for none of them would be offered one right after the other.
    guard let peer = unsafe lines.at(line), unsafe now.monotonicNs >= out.pointee.nextLogNs else {
      return
    }
    let owner = unsafe Incarnation(peer.pointee.incarnation)
    let name = unsafe peer.pointee.name
    if try core.makeLane(InboxChannel(owner: owner, lane: lane), to: name) {
      unsafe out.pointee.phase = .making
      unsafe out.pointee.nextLogNs = now.monotonicNs &+ LaneShortage.pauseNs
    }
  }

  /// A log is there: what waited for it goes out with the next flush.
  mutating func opened(
    _ line: Int, _ lane: Lane, _ number: UInt64, _ publisher: consuming Publisher
  ) {
    guard !isClosed, let peer = unsafe lines.at(line) else { return }
    let out = unsafe peer.pointee.lane(lane)
    unsafe out.pointee.open(publisher, number)
    unsafe out.pointee.shortage?.retryNs = 0
    if unsafe out.pointee.waiting.isEmpty { unsafe out.pointee.shortage = nil }
  }

  /// There is no log for a lane: for now, or for good.
  mutating func notOpened(_ line: Int, _ lane: Lane, _ why: BusError) {
    guard let peer = unsafe lines.at(line) else { return }
    let out = unsafe peer.pointee.lane(lane)
    // Without a router it is tried again, and so it is while something is missing that may be there
    // again next time.
    unsafe out.pointee.phase = .none
    if why.code == .noRouter { return }
    if why.mayPass { return unsafe waitFor(why, peer, out) }
    if why.code == .denied { unsafe out.pointee.phase = .refused(why) }
    let kept = unsafe out.pointee.waiting.drainAll()
    for message in kept { drop(message.letter, to: unsafe peer.pointee.name, why) }
  }

  /// What waits for a log goes on waiting for what that lacks, each message for as long as it may.
  mutating func waitFor(
    _ why: BusError, _ peer: UnsafeMutablePointer<Peer>,
    _ out: UnsafeMutablePointer<OutboundLane>
  ) {
    let now = now()
    unsafe note(why, out, now)
    guard let shortage = unsafe out.pointee.shortage else { return }
    let over = unsafe out.pointee.waiting.removeAll { message in
      shortage.isOver(message, now.monotonicNs) || !isWanted(message.letter)
    }
    for message in over { drop(message.letter, to: unsafe peer.pointee.name, why) }
    if unsafe out.pointee.waiting.isEmpty { unsafe out.pointee.shortage = nil }
  }

  /// Whether the first message of a lane is to wait until a larger log can be made.
  private mutating func holds(
    _ message: PendingMessage, _ why: BusError, _ out: UnsafeMutablePointer<OutboundLane>,
    _ now: HostTime
  ) -> Bool {
    guard why.mayPass else { return false }
    unsafe note(why, out, now)
    return unsafe out.pointee.shortage?.isOver(message, now.monotonicNs) == false
  }

  /// Sends what waited in all lanes and has room now.
  mutating func sendWaiting() {
    let now = now()
    waitingLanes = waitingLanes.filter { key in sendWaiting(key, now) }
  }

  /// Sends what it can; true when something still waits.
  mutating func sendWaiting(_ key: LaneKey, _ now: HostTime) -> Bool {
    guard let peer = unsafe lines.at(key.peer) else { return false }
    let out = unsafe peer.pointee.lane(key.lane)
    if let shortage = unsafe out.pointee.shortage, now.monotonicNs < shortage.retryNs {
      return true
    }
    while let message = unsafe out.pointee.waiting.first {
      switch unsafe out.pointee.phase {
      case .none:
        do throws(BusError) {
          try unsafe begin(key.peer, key.lane, out, now)
        } catch {
          notOpened(key.peer, key.lane, error)
          return unsafe !out.pointee.waiting.isEmpty
        }
        return true
      case .making: return true
      case .refused: return false
      case .ready: break
      }
      if isWanted(message.letter) {
        do throws(BusError) {
          guard
            let number = try unsafe write(
              message.letter, message.payload.span.rawBytes, peer, out, now)
          else { return true }
          sentNs = now.unixNs
          unsafe markDirty(out, key)
          noteNumber(of: message.letter, number)
        } catch {
          if unsafe holds(message, error, out, now) { return true }
          drop(message.letter, to: unsafe peer.pointee.name, error)
        }
      }
      _ = unsafe out.pointee.waiting.popFirst()
      unsafe out.pointee.shortage = nil
    }
    return false
  }
}
