import BusLog
import BusWire

/// A name that messages were addressed to, and who answers it.
struct NameEntry: Sendable {
  enum Phase: Sendable {
    /// Nothing is known; the router was asked, or is asked when it is back.
    case asked
    /// The router is to be asked as soon as there is one.
    case unasked
    case known
    case refused(BusError)
    /// The router was told that it is not wanted now; it is asked when the name is used again.
    case forgotten
  }
  let name: PeerName
  var phase = Phase.unasked
  /// Lines of those who answer it.
  var peers: [Int] = []
  /// The router has said of all who answer it: nobody who is not among them may still be on the way
  /// back from a former router.
  var isWhole = false
  /// What the router said last is of a time in which agents come back to it.
  var isProvisional = false
  /// Where the round goes on.
  var next = 0
  /// When it was used last, as a count of uses.
  var used: UInt64 = 0
  /// Messages that wait for the name to be resolved.
  private(set) var waiting = BoundedQueue<PendingMessage>(
    room: OutboundLane.waitingMax, bytesMax: OutboundLane.waitingBytesMax)

  /// A request waits for which nothing but credit is missing.
  var waitsForCredit = false

  /// Whether one more message may wait.
  var hasRoom: Bool { waiting.free > 0 }

  /// Whether one more request may wait, as far as memory goes.
  var hasMemory: Bool { waiting.bytes < OutboundLane.waitingBytesMax }

  mutating func keep(_ message: PendingMessage) {
    waiting.appendAnyway(message, bytes: message.payload.count)
  }

  mutating func drainWaiting() -> [PendingMessage] { waiting.drainAll() }
}

extension Outbox {
  /// The service of a name, or the agent of that name.
  ///
  /// Throws `invalid` for what is no name. Whether somebody answers it shows when it is used.
  public mutating func service(_ name: String) throws(BusError) -> Recipient {
    try recipient(PeerName(group: .service, text: name))
  }

  /// The agent of a name.
  public mutating func agent(_ name: String) throws(BusError) -> Recipient {
    try service(name)
  }

  /// The agents that joined a team.
  public mutating func team(_ name: String) throws(BusError) -> Recipient {
    try recipient(PeerName(group: .team, text: name))
  }

  private mutating func recipient(_ name: PeerName) throws(BusError) -> Recipient {
    if let known = nameIndex[name] { return Recipient(index: known) }
    do throws(TopicError) {
      _ = try Topic(name.text)
    } catch {
      throw .invalid("\(error)")
    }
    if names.count % (Self.activeNamesMax / 2) == 0 { forgetUnused() }
    names.append(NameEntry(name: name))
    nameIndex[name] = names.count - 1
    ask(names.count - 1)
    return Recipient(index: names.count - 1)
  }

  private mutating func ask(_ at: Int) {
    names[at].isWhole = false
    names[at].phase = core.resolve(names[at].name) ? .asked : .unasked
  }

  /// Names of which the router is to tell at a time; it allows an agent twice as many.
  private static var activeNamesMax: Int { 512 }

  /// Notes that a name is used, and has it resolved when it was forgotten, or when there was no
  /// place for it.
  mutating func use(_ at: Int) {
    uses &+= 1
    names[at].used = uses
    switch names[at].phase {
    case .forgotten: ask(at)
    case .refused(.resourceExhausted):
      forgetUnused()
      ask(at)
    default: break
    }
  }

  /// Gives back the places of the names that were not used for longest, so that half are free.
  ///
  /// An agent that talks to ever new names would otherwise come to an end of them.
  private mutating func forgetUnused() {
    let unused = names.indices.filter { at in
      guard names[at].waiting.isEmpty else { return false }
      switch names[at].phase {
      case .known: return true
      default: return false
      }
    }
    let surplus = unused.count - Self.activeNamesMax / 2
    guard surplus > 0 else { return }
    for at in unused.sorted(by: { names[$0].used < names[$1].used }).prefix(surplus) {
      names[at].phase = .forgotten
      names[at].isWhole = false
      names[at].peers = []
      core.letGo(names[at].name)
    }
  }

  /// Asks again for what could not be asked while no router was there.
  mutating func askAgain() {
    for at in names.indices {
      if case .unasked = names[at].phase { ask(at) }
    }
  }

  /// Who answers a recipient's name, as far as it is known: their names.
  public func responders(of recipient: Recipient) -> [String] {
    guard names.indices.contains(recipient.index) else { return [] }
    return names[recipient.index].peers.compactMap { lineName($0) }
  }

  /// True once the router has said who answers the name.
  ///
  /// After a restart of it others may still be on their way back: see ``knowsAll(of:)``.
  public func isResolved(_ recipient: Recipient) -> Bool {
    guard names.indices.contains(recipient.index) else { return false }
    switch names[recipient.index].phase {
    case .known, .refused: return true
    case .asked, .unasked, .forgotten: return false
    }
  }

  /// True once a message to all that a recipient stands for goes out, or fails, at once.
  ///
  /// After a restart of the router that is when its grace is over: until then agents come back, and
  /// a team or a service may have more members than are known. A messenger that knew all of them
  /// before goes on with those.
  public func knowsAll(of recipient: Recipient) -> Bool {
    guard names.indices.contains(recipient.index) else { return false }
    if case .refused = names[recipient.index].phase { return true }
    return knowsAll(recipient.index)
  }

  func knowsAll(_ at: Int) -> Bool {
    if names[at].isWhole { return true }
    // An agent's own name is answered by it alone.
    guard names[at].name.group == .service, names[at].peers.count == 1 else { return false }
    return lineName(names[at].peers[0]) == names[at].name.text
  }

  /// Why it is not known yet to whom a message to one, or to all, of a name would go; nil where it
  /// is known.
  package func whyUnknown(_ recipient: Recipient, isForAll: Bool) -> String? {
    guard names.indices.contains(recipient.index) else { return nil }
    let entry = names[recipient.index]
    guard isForAll ? !knowsAll(of: recipient) : entry.peers.isEmpty && !entry.isWhole else {
      return nil
    }
    let name = entry.name.text
    guard entry.isProvisional else { return "the router has not said who \(name) is" }
    return "after a restart of the router, agents of \(name) may still be on their way back to it"
  }

  /// Whether the router waits for agents that come back, and there may be some among a recipient's.
  package func awaitsReturns(_ recipient: Recipient) -> Bool {
    names.indices.contains(recipient.index) && names[recipient.index].isProvisional
      && !knowsAll(of: recipient)
  }

  /// Why a request that was not sent, or not answered, has run out of time.
  func lateness(_ recipient: Recipient?, _ name: String, isForAll: Bool) -> BusError {
    let why = recipient.flatMap { whyUnknown($0, isForAll: isForAll) }
    return .timeout(why.map { "\($0): nobody was asked" } ?? "\(name) did not answer in time")
  }

  /// The responders of a name, as the router says now.
  mutating func handle(_ frame: RespondersFrame) {
    guard let at = nameIndex[PeerName(group: frame.group, text: frame.name)] else { return }
    if case .forgotten = names[at].phase { return }
    var peers = frame.responders.map { responder in
      lineIndex(of: responder.incarnation, name: responder.name, id: nil)
    }
    // While agents come back, one that is not named may still be there.
    if frame.isProvisional {
      let back = Set(peers)
      peers += names[at].peers.filter { !back.contains($0) }
    }
    // Not everybody begins with the same one: many agents send one request and end.
    if names[at].peers.isEmpty, peers.count > 1 {
      names[at].next = Int.random(in: 0..<peers.count)
    }
    names[at].peers = peers
    names[at].isProvisional = frame.isProvisional
    // What was known of all holds while they come back: nobody is forgotten meanwhile.
    if !frame.isProvisional { names[at].isWhole = true }
    guard !(peers.isEmpty && frame.isProvisional) else { return }
    names[at].phase = .known
    release(at)
  }

  /// A name may not be resolved.
  mutating func refused(_ name: PeerName, _ why: BusError) {
    guard let at = nameIndex[name] else { return }
    names[at].phase = .refused(why)
    release(at)
  }

  /// Sends what waited for a name, or says why not.
  ///
  /// What finds no credit goes on waiting, and what is for all until all of them are known.
  mutating func release(_ at: Int) {
    var waiting = names[at].drainWaiting()[...]
    let holdsBack = !knowsAll(of: Recipient(index: at))
    let isUnknown = isNobodyKnown(at)
    var held: [PendingMessage] = []
    while let message = waiting.first {
      if holdsBack, message.letter.type != .request || isUnknown {
        held.append(message)
      } else if isWanted(message.letter) {
        do throws(BusError) {
          try dispatch(message.letter, message.payload.span.rawBytes, to: at)
        } catch {
          if case .wouldBlock = error { break }
          drop(message.letter, to: names[at].name.text, error)
        }
      }
      waiting.removeFirst()
    }
    let later = names[at].drainWaiting()
    for message in held + waiting + later { names[at].keep(message) }
    // What waits for somebody to come back goes on with the router's next word.
    names[at].waitsForCredit = !isUnknown && (!waiting.isEmpty || !later.isEmpty)
    creditWaits = names.contains(where: \.waitsForCredit)
  }

  /// Whether nobody who answers the name is known, and somebody may be still.
  private func isNobodyKnown(_ at: Int) -> Bool {
    guard names[at].peers.isEmpty else { return false }
    switch names[at].phase {
    case .known: return !names[at].isWhole
    case .refused: return false
    case .asked, .unasked, .forgotten: return true
    }
  }

  /// Tries again what waits for credit.
  mutating func releaseCredit() {
    for at in names.indices where names[at].waitsForCredit { release(at) }
  }

  /// The index of a peer, made when it is new.
  mutating func lineIndex(of incarnation: Incarnation, name: String, id: BusUUID?) -> Int {
    if let known = lines.index(of: incarnation.value) { return known }
    let line = Peer(
      incarnation: incarnation.value, name: name, id: id ?? BusUUID(agentName: name))
    return lines.add(line)
  }
}
