import BusAccess
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
    // Until it is settled readers may still come back to it.
    guard !inGrace, !unsettled.contains(id), let publisher = streams[id]?.publisher else { return }
    let hasEnded = streams[id]?.end != nil
    if hasEnded { beginDraining(id) }
    for log in streams[id]?.takeUnneeded() ?? [] {
      budget.credit(
        log.shape.segmentBytes, to: log.payer, held: log.payer != publisher,
        isOpen: log.token != nil)
      if let token = log.token { act(.close(token)) }
    }
    guard hasEnded, let stream = streams[id] else { return }
    if stream.logs.isEmpty { lingering.remove(id) }
    if stream.attachments.isEmpty { forget(stream) }
  }

  /// From when a stream has ended its logs are its readers' to let go of.
  ///
  /// Not before: that a log of a living stream is over is its publisher's word alone, and a reader
  /// leaves it at the record that says so, which may never come. The end the router itself has
  /// marked.
  private mutating func beginDraining(_ id: StreamID) {
    guard let stream = streams[id], let first = stream.logs.first, first.overNs == nil else {
      return
    }
    for place in stream.logs.indices {
      streams[id]?.logs[place].overNs = nowNs
      let log = stream.logs[place]
      walk(log.heldBy.count * Self.entriesOfHolder)
      for reader in log.heldBy.keys where reader != stream.publisher {
        agents[reader]?.drainingBytes += log.shape.segmentBytes
      }
    }
    lingering.insert(id)
    walk(stream.attachments.count * Self.entriesOfReader)
    for reading in stream.attachments.sorted() { standing.insert(reading) }
  }

  /// A reader holds a log from here on.
  mutating func hold(_ place: Int, of id: StreamID, _ attachment: Attachment) {
    let reader = attachment.reader
    guard streams[id]?.logs[place].insert(attachment.id, of: reader) == true,
      let bytes = drainingBytes(place, of: id), reader != attachment.publisher
    else { return }
    agents[reader]?.drainingBytes += bytes
  }

  /// A reader does not hold a log any more; true when its agent does not either.
  mutating func release(_ place: Int, of id: StreamID, _ attachment: Attachment) -> Bool {
    let reader = attachment.reader
    guard streams[id]?.logs[place].remove(attachment.id, of: reader) == true else { return false }
    guard let bytes = drainingBytes(place, of: id), reader != attachment.publisher else {
      return true
    }
    let held = agents[reader]?.drainingBytes ?? 0
    agents[reader]?.drainingBytes = held - min(held, bytes)
    if streams[id]?.logs[place].payer == reader { passOn(place, of: id) }
    return true
  }

  /// The bytes of a log that its readers are to let go of; nil: it is not their turn.
  private func drainingBytes(_ place: Int, of id: StreamID) -> UInt64? {
    guard let log = streams[id]?.logs[place], log.overNs != nil else { return nil }
    return log.shape.segmentBytes
  }

  /// A reader that paid for a log has let go of it: another holder pays, the publisher when none
  /// of them has room.
  private mutating func passOn(_ place: Int, of id: StreamID) {
    guard let stream = streams[id] else { return }
    walk(stream.logs[place].heldBy.count * Self.entriesOfHolder)
    // Nobody needs it: it is given back as the one who let go of it has it.
    guard !stream.logs[place].heldBy.isEmpty else { return }
    let next = nextPayer(of: stream.logs[place], of: stream)
    charge(place, of: stream, to: next ?? stream.publisher)
  }

  /// The first of a log's readers that has room for it.
  private func nextPayer(of log: StreamLog, of stream: BusStream) -> Incarnation? {
    let able = log.heldBy.keys.filter { reader in
      guard reader != stream.publisher, let quota = agents[reader]?.quota else { return false }
      return budget.mayTakeOver(
        log.shape.segmentBytes, of: stream.publisherUser, by: reader, quota: quota)
    }
    return able.min()
  }

  private mutating func charge(_ place: Int, of stream: BusStream, to payer: Incarnation) {
    let log = stream.logs[place]
    let bytes = log.shape.segmentBytes
    let isOpen = log.token != nil
    budget.credit(bytes, to: log.payer, held: log.payer != stream.publisher, isOpen: isOpen)
    // The publisher may have ended, with nothing charged to it any more.
    let user = payer == stream.publisher ? stream.publisherUser : nil
    budget.charge(bytes, to: payer, of: user, held: payer != stream.publisher)
    if !isOpen { budget.closeDescriptor(of: payer) }
    streams[stream.id]?.logs[place].payer = payer
  }

  /// Charges logs of ended streams, after as long as readers are given, to those who hold them,
  /// and evicts readers that stand still; so many in a tick.
  mutating func chargeHolders() {
    var left = Self.holdersPerTick
    for _ in 0..<min(lingering.count, Self.roundsPerTick) where left > 0 {
      if let id = lingering.next() { left -= chargeHolders(of: id) }
    }
    for _ in 0..<min(standing.count, Self.roundsPerTick) {
      if let id = standing.next() { evictIfStanding(id) }
    }
  }

  /// Returns how many entries of tables were looked at.
  private mutating func chargeHolders(of id: StreamID) -> Int {
    guard let stream = streams[id] else {
      lingering.remove(id)
      return 1
    }
    var looked = stream.logs.count
    for place in stream.logs.indices {
      let log = stream.logs[place]
      guard let over = log.overNs, log.payer == stream.publisher,
        nowNs >= over &+ UInt64(limits.drainMs) &* 1_000_000
      else { continue }
      looked += log.heldBy.count
      guard let reader = nextPayer(of: log, of: stream) else {
        guard nowNs >= over &+ UInt64(limits.unpaidMs) &* 1_000_000, isWanted(log, of: stream)
        else { continue }
        // The places of logs have changed with it.
        return looked + takeBack(log, of: stream)
      }
      charge(place, of: stream, to: reader)
      say(
        .notice,
        "\(agents[reader]?.name ?? "a reader") pays for a log of \(stream.publisherName) on "
          + "\(stream.channel) that is over and that it has not read to its end",
        kind: "a reader pays for a log that is over")
    }
    return looked
  }

  /// Whether only readers of other users hold a log, and its publisher lacks what it pays for it:
  /// it or its user has more than half of what it may, or the arena is filling up.
  private func isWanted(_ log: StreamLog, of stream: BusStream) -> Bool {
    let isAmongStrangers = log.heldBy.keys.allSatisfy { reader in
      agents[reader]?.caller.uid != stream.publisherUser
    }
    return isAmongStrangers
      && budget.isScarce(
        for: stream.publisher, of: stream.publisherUser, quota: agents[stream.publisher]?.quota)
  }

  /// Takes a log of an ended stream from its readers, none of whom has room for it: it would be its
  /// publisher's for as long as they like.
  ///
  /// Returns how many entries of tables were looked at.
  private mutating func takeBack(_ log: StreamLog, of stream: BusStream) -> Int {
    let seconds = limits.unpaidMs / 1000
    let reason =
      "The stream has ended, for \(seconds) s this reader has not read it to its end, "
      + "and neither it nor its user has room for what it holds."
    for id in log.holders.sorted() {
      guard let attachment = attachments[id] else { continue }
      let owedNs = 2 * UInt64(limits.unpaidMs) * 1_000_000
      agents[attachment.reader]?.owesUntilNs = nowNs &+ owedNs
      // It stays until its reader lets go of it: a snapshot says so, too.
      evict(attachment, because: reason)
      for place in stream.logs.indices { _ = release(place, of: stream.id, attachment) }
    }
    freeLogs(of: stream.id)
    say(
      .notice,
      "readers of \(stream.publisherName) on \(stream.channel) held a log that is over, and that "
        + "they have no room for, for \(seconds) s: it is taken from them",
      kind: "a log is taken from readers that have no room for it")
    return log.holders.count * Self.entriesOfHolder
  }

  private mutating func evictIfStanding(_ id: AttachmentID) {
    guard let attachment = attachments[id], attachment.phase.isWithPublisher,
      let reader = agents[attachment.reader]?.reader
    else { return standing.remove(id) }
    let cursor = attachment.slot.flatMap { probe.slot($0, of: reader) }?.cursor ?? 0
    guard let seen = attachment.standstill, seen.cursor == cursor else {
      attachments[id]?.standstill = (cursor, nowNs)
      return
    }
    guard nowNs >= seen.sinceNs &+ UInt64(limits.standstillMs) &* 1_000_000 else { return }
    let seconds = limits.standstillMs / 1000
    let reason = "The stream has ended, and for \(seconds) s this reader has not read on."
    evict(attachment, because: reason)
  }

  /// The router does so, not the publisher: the stream has ended.
  private mutating func evict(_ attachment: Attachment, because reason: String) {
    attachments[attachment.id]?.phase = .evicted(reason)
    standing.remove(attachment.id)
    let frame = EvictedFrame(attachment: attachment.number, reason: reason)
    tell(attachment.reader, .evicted(frame))
  }

  /// Streams, and readings of such, that are looked at in a tick.
  private static var roundsPerTick: Int { 256 }
  /// Readers among which the next payers are looked for in a tick; one stream's in any case.
  private static var holdersPerTick: Int { 4096 }
  /// What it takes to find a reader that holds a log, in entries of tables.
  private static var entriesOfHolder: Int { 8 }

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
