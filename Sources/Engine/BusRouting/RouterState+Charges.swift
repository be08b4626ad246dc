import BusPorts
import BusWire

/// What all agents of one user have, where it is counted and not weighed.
struct UserCounts: Equatable {
  var subscriptions = 0
  var attachments = 0
  var names = 0
  var blobs = 0
}

// Who pays for what: logs that are over and still held, and the shares of users.

extension RouterState {
  /// Gives back the logs of a stream that nobody needs, and the stream itself when it ended and
  /// nobody reads it.
  mutating func freeLogs(of id: StreamID) {
    // Until then readers may still come back to it.
    guard let stream = streams[id], !inGrace, !unsettled.contains(id) else { return }
    let isOver = stream.end != nil
    var kept: [StreamLog] = []
    var lingers = false
    for var log in stream.logs {
      guard log.retired || isOver else {
        kept.append(log)
        continue
      }
      if log.holders.isEmpty {
        let isHeld = log.payer != stream.publisher
        budget.credit(
          log.shape.segmentBytes, to: log.payer, held: isHeld, isOpen: log.token != nil)
        if let token = log.token { act(.close(token)) }
        continue
      }
      if log.overNs == nil {
        log.overNs = nowNs
        for holder in log.holders { log = drained(log, by: holder, 1) }
      }
      if log.payer != stream.publisher { passOn(&log, of: stream) }
      lingers = true
      kept.append(log)
    }
    if isOver, stream.attachments.isEmpty {
      forget(stream)
    } else {
      streams[id]?.logs = kept
    }
    if lingers { lingering.insert(id) } else { lingering.remove(id) }
  }

  /// A reader that paid for a log has let go of it: the next holder pays.
  private mutating func passOn(_ log: inout StreamLog, of stream: BusStream) {
    let holders = log.holders.compactMap { attachments[$0]?.reader }
    guard !holders.contains(log.payer), let next = holders.min() else { return }
    charge(&log, to: next, of: stream)
  }

  private mutating func charge(_ log: inout StreamLog, to reader: Incarnation, of stream: BusStream)
  {
    let wasHeld = log.payer != stream.publisher
    let isOpen = log.token != nil
    budget.credit(log.shape.segmentBytes, to: log.payer, held: wasHeld, isOpen: isOpen)
    budget.charge(log.shape.segmentBytes, to: reader, held: reader != stream.publisher)
    if !isOpen { budget.closeDescriptor(of: reader) }
    log.payer = reader
  }

  /// Charges logs that are over for longer than readers are given to those who hold them, and
  /// evicts readers of ended streams that stand still.
  mutating func chargeHolders() {
    for id in lingering.sorted() {
      guard var stream = streams[id] else {
        lingering.remove(id)
        continue
      }
      for place in stream.logs.indices {
        guard let over = stream.logs[place].overNs, stream.logs[place].payer == stream.publisher,
          nowNs >= over &+ UInt64(limits.drainMs) &* 1_000_000,
          let reader = stream.logs[place].holders.compactMap({ attachments[$0]?.reader }).min(),
          reader != stream.publisher
        else { continue }
        charge(&stream.logs[place], to: reader, of: stream)
        say(
          .notice,
          "\(agents[reader]?.name ?? "a reader") pays for a log of \(stream.publisherName) on "
            + "\(stream.channel) that is over and that it has not read to its end",
          kind: "a reader pays for a log that is over")
      }
      streams[id]?.logs = stream.logs
      if stream.end != nil { evictStanding(in: stream) }
    }
  }

  private mutating func evictStanding(in stream: BusStream) {
    for id in stream.attachments.sorted() {
      guard let attachment = attachments[id], attachment.phase.isWithPublisher,
        let reader = agents[attachment.reader]?.reader
      else { continue }
      let cursor = probe.slot(attachment.slot, of: reader)?.cursor ?? 0
      guard let seen = attachment.standstill, seen.cursor == cursor else {
        attachments[id]?.standstill = (cursor, nowNs)
        continue
      }
      guard nowNs >= seen.sinceNs &+ UInt64(limits.standstillMs) &* 1_000_000 else { continue }
      let seconds = limits.standstillMs / 1000
      let reason = "The stream has ended, and for \(seconds) s this reader has not read on."
      attachments[id]?.phase = .evicted(reason)
      let frame = EvictedFrame(attachment: attachment.number, reason: reason)
      tell(attachment.reader, .evicted(frame))
    }
  }

  // MARK: Counts

  /// Why a user may not have one more of something; nil: it may.
  func objection(
    toOneMore count: KeyPath<UserCounts, Int>, _ what: String, of user: UInt32, all: Int
  ) -> String? {
    guard user != identity.uid else { return nil }
    let most = limits.share(of: all)
    guard (countsOfUser[user] ?? UserCounts())[keyPath: count] >= most else { return nil }
    return "The agents of user \(user) have \(most) \(what), those of one user may not have more."
  }

  mutating func count(_ key: WritableKeyPath<UserCounts, Int>, _ change: Int, of user: UInt32?) {
    guard let user, change != 0 else { return }
    var counts = countsOfUser[user] ?? UserCounts()
    counts[keyPath: key] += change
    countsOfUser[user] = counts == UserCounts() ? nil : counts
  }
}
