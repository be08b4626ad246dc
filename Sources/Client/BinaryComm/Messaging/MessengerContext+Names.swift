import BusLog
import BusWire

// Names, as the router resolves them, and what is sent once it has.

extension MessengerContext {
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
    if let known = names.place(of: name) { return Recipient(index: known) }
    do throws(TopicError) {
      _ = try Topic(name.text)
    } catch {
      throw .invalid("\(error)")
    }
    if names.isRoomDue { forgetUnused() }
    let at = names.add(name)
    ask(at)
    return Recipient(index: at)
  }

  private mutating func ask(_ at: Int) {
    names.asked(at, isUnderway: core.resolve(names.name(at)))
  }

  /// Notes that a name is used, and has it resolved when it was forgotten, or when there was no
  /// place for it.
  mutating func use(_ at: Int) {
    switch names.use(at) {
    case .nothing: return
    case .asking: break
    case .room: forgetUnused()
    }
    ask(at)
  }

  /// Gives back the places of the names that were not used for longest.
  private mutating func forgetUnused() {
    for name in names.forgetUnused() { core.letGo(name) }
  }

  /// Asks again for what could not be asked while no router was there.
  mutating func askAgain() {
    for at in names.unasked { ask(at) }
  }

  /// Who answers a recipient's name, as far as it is known: their names.
  public func responders(of recipient: Recipient) -> [String] {
    guard names.indices.contains(recipient.index) else { return [] }
    return names.peers(recipient.index).compactMap { peers.name($0) }
  }

  /// True once the router has said who answers the name.
  ///
  /// After a restart of it others may still be on their way back: see ``knowsAll(of:)``.
  public func isResolved(_ recipient: Recipient) -> Bool {
    names.indices.contains(recipient.index) && names.isResolved(recipient.index)
  }

  /// True once a message to all that a recipient stands for goes out, or fails, at once.
  ///
  /// After a restart of the router that is when its grace is over: until then agents come back, and
  /// a team or a service may have more members than are known. A messenger that knew all of them
  /// before goes on with those.
  public func knowsAll(of recipient: Recipient) -> Bool {
    guard names.indices.contains(recipient.index) else { return false }
    return names.refusal(recipient.index) != nil || knowsAll(recipient.index)
  }

  func knowsAll(_ at: Int) -> Bool { names.knowsAll(at) { peers.name($0) } }

  /// Why it is not known yet to whom a message to one, or to all, of a name would go; nil where it
  /// is known.
  package func whyUnknown(_ recipient: Recipient, isForAll: Bool) -> String? {
    let at = recipient.index
    guard names.indices.contains(at) else { return nil }
    guard isForAll ? !knowsAll(of: recipient) : names.isUnknown(at) else { return nil }
    let name = names.text(at)
    guard names.isProvisional(at) else { return "the router has not said who \(name) is" }
    return "after a restart of the router, agents of \(name) may still be on their way back to it"
  }

  /// Whether the router waits for agents that come back, and there may be some among a recipient's.
  package func awaitsReturns(_ recipient: Recipient) -> Bool {
    names.indices.contains(recipient.index) && names.isProvisional(recipient.index)
      && !knowsAll(of: recipient)
  }

  /// Why a request that was not sent, or not answered, has run out of time.
  func lateness(_ recipient: Recipient?, _ name: String, isForAll: Bool) -> BusError {
    let why = recipient.flatMap { whyUnknown($0, isForAll: isForAll) }
    return .timeout(why.map { "\($0): nobody was asked" } ?? "\(name) did not answer in time")
  }

  /// The responders of a name, as the router says now.
  mutating func handle(_ frame: RespondersFrame) {
    let name = PeerName(group: frame.group, text: frame.name)
    guard let at = names.wanted(name) else { return }
    let answering = frame.responders.map { responder in
      peerIndex(of: responder.incarnation, name: responder.name, id: nil)
    }
    // Not everybody begins with the same one: many agents send one request and end.
    let isWord = names.answer(at, by: answering, isProvisional: frame.isProvisional) { count in
      Int.random(in: 0..<count)
    }
    if isWord { release(at) }
  }

  /// A name may not be resolved.
  mutating func refused(_ name: PeerName, _ why: BusError) {
    if let at = names.refuse(name, why) { release(at) }
  }

  /// Sends what waited for a name, or says why not.
  ///
  /// What finds no credit goes on waiting, and what is for all until all of them are known.
  mutating func release(_ at: Int) {
    var waiting = names.drainWaiting(at)[...]
    let holdsBack = !knowsAll(of: Recipient(index: at))
    let isUnknown = names.isNobodyKnown(at)
    var held: [PendingMessage] = []
    while let message = waiting.first {
      if holdsBack, message.header.type != .request || isUnknown {
        held.append(message)
      } else if requests.wants(message.header) {
        do throws(BusError) {
          try dispatch(message.header, message.payload.span.rawBytes, to: at)
        } catch {
          if error.code == .wouldBlock { break }
          drop(message.header, to: names.text(at), error)
        }
      }
      waiting.removeFirst()
    }
    let later = names.drainWaiting(at)
    for message in held + waiting + later { keep(message, for: at) }
    // What waits for somebody to come back goes on with the router's next word.
    names.setWaitsForCredit(at, !isUnknown && (!waiting.isEmpty || !later.isEmpty))
  }

  /// Has a message wait for its name.
  mutating func keep(_ message: PendingMessage, for at: Int) {
    names.keep(message, bytes: message.payload.count, for: at)
  }

  /// Tries again what waits for credit.
  mutating func releaseCredit() {
    for at in names.waitingForCredit { release(at) }
  }
}
