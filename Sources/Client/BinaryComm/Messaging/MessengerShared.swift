import BusLog
import BusMemory
import BusSystem
package import BusWire
import Synchronization

/// A name as the router resolves it.
package struct PeerName: Hashable, Sendable {
  package let group: ServiceGroup
  package let text: String

  package init(group: ServiceGroup, text: String) {
    (self.group, self.text) = (group, text)
  }
}

/// Of what the newest word alone counts.
enum MessengerSubject: Hashable, Sendable {
  case name(PeerName)
  case lostName(PeerName)
  case lane(UInt64)
  case peer(Incarnation)
}

/// What the service thread tells the thread that owns a messenger.
enum MessengerEvent: Sendable {
  /// A log to a peer is registered, or could not be made; the number of that log.
  case lane(InboxChannel, UInt64, Result<Handover<Publisher>, BusError>)
  /// The reader of a lane could not be let in for want of something in this process.
  case unmet(InboxChannel, PublisherShared, BusError)
  /// A peer reads the log with this number no more: it has ended, has closed its inbox, or had no
  /// room to read the log. What is read of it now may still bring answers.
  case left(InboxChannel, UInt64, Set<AttachmentID>)
  /// A peer has ended.
  case gone(Incarnation)
  /// Who answers a name.
  case responders(RespondersFrame)
  /// A name that may not be resolved.
  case refused(PeerName, BusError)
  /// A name that was answered, and is not now.
  case lost(PeerName, LostName)
}

/// What the service thread and the messenger's thread share.
final class MessengerShared: Sendable {
  let agent: AgentShared
  let inbox: SubscriptionShared
  /// Changes whenever there are events; the messenger compares it once per poll.
  let changes = LocalWord()
  private let state = Mutex(State())

  private struct State: Sendable {
    var events = CoalescingQueue<MessengerSubject, MessengerEvent>()
    var answers: Set<PeerName> = []
    /// Those of them that the router refuses for now.
    var retries: [PeerName: NameRetry] = [:]
    /// Names for which the router is being asked, each as often as it is.
    var asking = CountedSet<PeerName>()
    var interests: Set<PeerName> = []
    var lists = ResponderLists()
    /// Those whom the messenger has met, of each its incarnation.
    var peers: Set<Incarnation> = []
    var lastLane: UInt64 = 0
  }

  init(agent: AgentShared, inbox: SubscriptionShared) {
    self.agent = agent
    self.inbox = inbox
  }

  func post(_ event: MessengerEvent) {
    state.withLock { state in
      // Others come and go while that thread may stand still; only how it is now counts.
      switch event {
      case .responders(let frame):
        let name = PeerName(group: frame.group, text: frame.name)
        state.events.append(event, key: .name(name))
      case .lost(let name, _): state.events.append(event, key: .lostName(name))
      case .left(_, let number, _): state.events.append(event, key: .lane(number))
      // Strangers come and go as they like; one that is met after its end is refused its log.
      case .gone(let peer):
        if state.peers.contains(peer) { state.events.append(event, key: .peer(peer)) }
      case .refused, .lane, .unmet: state.events.append(event)
      }
    }
    kick()
  }

  /// Has the messenger's thread look, even if it sleeps on its inbox.
  func kick() {
    changes.word.add(1)
    inbox.changes.word.add(1)
    inbox.epoch?.kick()
  }

  /// The number of one more log to a peer.
  func nextLane() -> UInt64 {
    state.withLock { state in
      state.lastLane += 1
      return state.lastLane
    }
  }

  /// How many logs to peers were made so far.
  var lanesMade: UInt64 { state.withLock { $0.lastLane } }

  func drainEvents() -> [MessengerEvent] {
    state.withLock { $0.events.drain() }
  }

  /// The messenger's thread is to hear of a peer's end.
  func meet(_ peer: Incarnation) { state.withLock { _ = $0.peers.insert(peer) } }

  /// It knows nothing more of a peer.
  func forget(_ peer: Incarnation) { state.withLock { _ = $0.peers.remove(peer) } }

  /// How many events wait for the messenger's thread.
  var eventCount: Int { state.withLock { $0.events.count } }

  /// The names it answers now.
  var answers: Set<PeerName> { state.withLock { $0.answers } }

  // MARK: Names

  /// Tells the router that this agent answers a name; throws what it says against it.
  func answer(_ name: PeerName, deadline: Deadline) throws(BusError) {
    state.withLock { $0.asking.add(name) }
    do throws(BusError) {
      _ = try agent.request(Self.frame(name, answers: true), deadline: deadline) { [self] reply in
        guard case .done = reply else { return }
        state.withLock { state in
          state.answers.insert(name)
          state.retries[name] = nil
        }
      }
    } catch {
      let isUnwanted = state.withLock { state in
        state.asking.remove(name) && !state.answers.contains(name)
      }
      // A router that is only slow takes it all the same, and would send its requests here.
      if isUnwanted { agent.tell(Self.frame(name, answers: false)) }
      throw error
    }
    state.withLock { _ = $0.asking.remove(name) }
  }

  /// This agent answers a name no more: no router is told of it from now on.
  func giveUp(_ name: PeerName) {
    state.withLock { state in
      state.answers.remove(name)
      state.retries[name] = nil
    }
  }

  /// Whether a name is answered, as a service or as a team, or is about to be.
  func isAnswered(_ text: String) -> Bool {
    let both = [ServiceGroup.service, .team].map { PeerName(group: $0, text: text) }
    return state.withLock { state in
      both.contains { state.answers.contains($0) || state.asking.contains($0) }
    }
  }

  /// Tells the router that this agent answers a name no more.
  func stopAnswering(_ name: PeerName, deadline: Deadline) throws(BusError) {
    giveUp(name)
    _ = try agent.request(Self.frame(name, answers: false), deadline: deadline) { [self] _ in
      // Once more: an answer to the contrary may have come in between.
      giveUp(name)
    }
  }

  /// Asks for the names that the router has refused for now, each when it is time.
  func answerAgain(_ nowNs: UInt64) {
    let due = state.withLock { state in
      let due = state.retries.filter { $0.value.atNs <= nowNs }
      for (name, retry) in due { state.retries[name] = NameRetry(after: retry, nowNs) }
      return Array(due.keys)
    }
    for name in due {
      // Where no answer comes it is asked for again next time.
      _ = agent.call(Self.frame(name, answers: true)) { [self] outcome in
        switch outcome {
        case .frame(.done, _):
          let isWanted = state.withLock { state in
            state.retries[name] = nil
            return state.answers.contains(name) || state.asking.contains(name)
          }
          if !isWanted { agent.tell(Self.frame(name, answers: false)) }
        case .frame(.error(let error), _):
          lose(name, BusError(number: error.code, text: error.text))
        default: break
        }
      }
    }
  }

  /// The router refuses a name that is answered: it is asked for again where that may pass.
  private func lose(_ name: PeerName, _ why: BusError) {
    let lost = LostName(name, why)
    let isNews = state.withLock { state in
      guard state.answers.contains(name) else { return false }
      guard lost.isAskedAgain else {
        state.answers.remove(name)
        state.retries[name] = nil
        return true
      }
      guard state.retries[name] == nil else { return false }
      state.retries[name] = NameRetry(after: nil, HostClock.monotonicNs())
      return true
    }
    if isNews { post(.lost(name, lost)) }
  }

  private static func frame(_ name: PeerName, answers: Bool) -> AgentFrame {
    .answer(AnswerFrame(name: name.text, group: name.group, answers: answers))
  }

  /// Asks who answers a name; the answer comes as an event.
  ///
  /// False without a router.
  func resolve(_ name: PeerName) -> Bool {
    state.withLock { _ = $0.interests.insert(name) }
    let frame = NameFrame(name: name.text, group: name.group)
    return agent.call(.resolve(frame)) { [self] outcome in
      switch outcome {
      case .frame(.responders(let answer), _): handle(answer)
      case .frame(.error(let error), _):
        forget(name)
        post(.refused(name, BusError(number: error.code, text: error.text)))
      // The router went: the interest is handed in to the next one.
      default: break
      }
    }
  }

  /// Tells the router that nothing more is to be told of a name.
  func letGo(_ name: PeerName) {
    forget(name)
    agent.tell(.forget(NameFrame(name: name.text, group: name.group)))
  }

  /// The messenger is closed: the router hears that nothing is answered or asked for any more, or
  /// the next messenger of this agent would be sent what it does not answer.
  func letAllGo() {
    let (answers, interests) = state.withLock { ($0.answers, $0.interests) }
    for name in answers.sorted(by: { $0.text < $1.text }) {
      giveUp(name)
      agent.tell(Self.frame(name, answers: false))
    }
    for name in interests.sorted(by: { $0.text < $1.text }) { letGo(name) }
  }

  private func forget(_ name: PeerName) {
    state.withLock { state in
      state.interests.remove(name)
      state.lists.forget(name)
    }
  }

  /// Takes what the router says of a name; the messenger hears of whole lists.
  func handle(_ part: RespondersFrame) {
    let whole = state.withLock { state in
      // Of names that nobody asked for nothing is kept.
      let isWanted = state.interests.contains(PeerName(group: part.group, text: part.name))
      return isWanted ? state.lists.add(part) : nil
    }
    if let whole { post(.responders(whole)) }
  }

  // MARK: Restart of the router

  /// What the next router is told.
  func restore() -> [AgentFrame] {
    state.withLock { state in
      // All of them are asked for now.
      state.retries = [:]
      return state.answers.map { Self.frame($0, answers: true) }
        + state.interests.map { .resolve(NameFrame(name: $0.text, group: $0.group)) }
    }
  }

  /// The next router says no to something that the former one allowed.
  func refuse(_ frame: AgentFrame, _ why: BusError) {
    switch frame {
    case .answer(let frame):
      lose(PeerName(group: frame.group, text: frame.name), why)
    case .resolve(let frame):
      let name = PeerName(group: frame.group, text: frame.name)
      forget(name)
      post(.refused(name, why))
    default: break
    }
  }
}
