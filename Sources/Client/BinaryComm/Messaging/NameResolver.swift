import BusLog
import BusWire

/// The names that messages were addressed to, who answers each, and what waits to find out.
///
/// A plain value: whoever owns it asks the router and sends the messages. Peers are numbers to it.
package struct NameResolver<Waiting: Sendable>: Sendable {
  /// How far a name is.
  package enum Phase: Sendable {
    /// Nothing is known; the router was asked, or is asked when it is back.
    case asked
    /// The router is to be asked as soon as there is one.
    case unasked
    case known
    case refused(BusError)
    /// The router was told that it is not wanted now; it is asked when the name is used again.
    case forgotten
  }

  private struct Entry: Sendable {
    let name: PeerName
    var phase = Phase.unasked
    /// Those who answer it.
    var peers: [Int] = []
    /// The router has said of all who answer it: nobody who is not among them may still be on the
    /// way back from a former router.
    var isWhole = false
    /// What the router said last is of a time in which agents come back to it.
    var isProvisional = false
    /// Where the round goes on.
    var next = 0
    /// When it was used last, as a count of uses.
    var used: UInt64 = 0
    var waiting: BoundedQueue<Waiting>
    /// Something waits for which nothing but credit is missing.
    var waitsForCredit = false
  }

  private var entries: [Entry] = []
  private var places: [PeerName: Int] = [:]
  /// How often names were used so far.
  private var uses: UInt64 = 0
  /// Whether something waits for which nothing but credit is missing.
  package private(set) var awaitsCredit = false
  private let activeMax: Int
  private let waitingMax: Int
  private let waitingBytesMax: Int

  /// Knows of no name yet; the router is asked of so many at a time, and so much waits for each.
  package init(activeMax: Int, waitingMax: Int, waitingBytesMax: Int) {
    self.activeMax = activeMax
    self.waitingMax = waitingMax
    self.waitingBytesMax = waitingBytesMax
  }

  // MARK: Names

  package var indices: Range<Int> { entries.indices }

  /// The place of a name that is known already.
  package func place(of name: PeerName) -> Int? { places[name] }

  /// A name's text.
  package func text(_ at: Int) -> String { entries[at].name.text }

  package func name(_ at: Int) -> PeerName { entries[at].name }

  /// Takes in a new name, which is to be asked for; returns its place.
  package mutating func add(_ name: PeerName) -> Int {
    let waiting = BoundedQueue<Waiting>(room: waitingMax, bytesMax: waitingBytesMax)
    entries.append(Entry(name: name, waiting: waiting))
    places[name] = entries.count - 1
    return entries.count - 1
  }

  /// Whether so many names have come that unused ones should make room.
  package var isRoomDue: Bool { entries.count % (activeMax / 2) == 0 }

  /// What a name that is used needs first.
  package enum Need {
    case nothing
    /// That the router is asked.
    case asking
    /// The same, when other names have made room: there was no place for it.
    case room
  }

  /// Notes that a name is used.
  package mutating func use(_ at: Int) -> Need {
    uses &+= 1
    entries[at].used = uses
    switch entries[at].phase {
    case .forgotten: return .asking
    case .refused(let why) where why.code == .resourceExhausted: return .room
    default: return .nothing
    }
  }

  /// The router was asked for a name, or could not be.
  package mutating func asked(_ at: Int, isUnderway: Bool) {
    entries[at].isWhole = false
    entries[at].phase = isUnderway ? .asked : .unasked
  }

  /// Those for which no router could be asked.
  package var unasked: [Int] {
    entries.indices.filter { at in
      if case .unasked = entries[at].phase { true } else { false }
    }
  }

  /// Forgets the names that were not used for longest, so that half of the places are free; the
  /// router is to be told of them.
  ///
  /// An agent that talks to ever new names would otherwise come to an end of them.
  package mutating func forgetUnused() -> [PeerName] {
    let unused = entries.indices.filter { at in
      guard entries[at].waiting.isEmpty, case .known = entries[at].phase else { return false }
      return true
    }
    let surplus = unused.count - activeMax / 2
    guard surplus > 0 else { return [] }
    let oldest = unused.sorted { entries[$0].used < entries[$1].used }.prefix(surplus)
    for at in oldest {
      entries[at].phase = .forgotten
      entries[at].isWhole = false
      entries[at].peers = []
    }
    return oldest.map { entries[$0].name }
  }

  // MARK: What the router says

  /// Whether somebody wants to know who answers a name; its place.
  package func wanted(_ name: PeerName) -> Int? {
    guard let at = places[name] else { return nil }
    if case .forgotten = entries[at].phase { return nil }
    return at
  }

  /// Who answers a name now; false when nothing can be done with that yet.
  ///
  /// `first`: of so many the one with which the round begins.
  package mutating func answer(
    _ at: Int, by peers: [Int], isProvisional: Bool, first: (Int) -> Int
  ) -> Bool {
    var peers = peers
    // While agents come back, one that is not named may still be there.
    if isProvisional {
      let back = Set(peers)
      peers += entries[at].peers.filter { !back.contains($0) }
    }
    if entries[at].peers.isEmpty, peers.count > 1 { entries[at].next = first(peers.count) }
    entries[at].peers = peers
    entries[at].isProvisional = isProvisional
    // What was known of all holds while they come back: nobody is forgotten meanwhile.
    if !isProvisional { entries[at].isWhole = true }
    guard !(peers.isEmpty && isProvisional) else { return false }
    entries[at].phase = .known
    return true
  }

  /// A name may not be resolved; returns its place.
  package mutating func refuse(_ name: PeerName, _ why: BusError) -> Int? {
    guard let at = places[name] else { return nil }
    entries[at].phase = .refused(why)
    return at
  }

  /// A peer answers no name any more, until the router says so again.
  package mutating func strike(_ peer: Int) {
    for at in entries.indices { entries[at].peers.removeAll { $0 == peer } }
  }

  // MARK: Who answers

  /// Everybody who answers some name.
  package var allPeers: Set<Int> { Set(entries.flatMap(\.peers)) }

  /// Those who answer a name, as far as they are known.
  package func peers(_ at: Int) -> [Int] { entries[at].peers }

  /// Why a name may not be resolved.
  package func refusal(_ at: Int) -> BusError? {
    if case .refused(let why) = entries[at].phase { why } else { nil }
  }

  /// Whether the router has said who answers a name, or that it does not say.
  package func isResolved(_ at: Int) -> Bool {
    switch entries[at].phase {
    case .known, .refused: true
    case .asked, .unasked, .forgotten: false
    }
  }

  package func isProvisional(_ at: Int) -> Bool { entries[at].isProvisional }

  /// Whether nobody but those who are known answers a name.
  ///
  /// An agent's own name is answered by it alone; `text` is the name of a peer.
  package func knowsAll(_ at: Int, nameOf text: (Int) -> String?) -> Bool {
    let entry = entries[at]
    if entry.isWhole { return true }
    guard entry.name.group == .service, entry.peers.count == 1 else { return false }
    return text(entry.peers[0]) == entry.name.text
  }

  /// Whether it is not known to whom a message to one of a name's would go.
  package func isUnknown(_ at: Int) -> Bool { entries[at].peers.isEmpty && !entries[at].isWhole }

  /// Whether nobody who answers a name is known, and somebody may be still.
  package func isNobodyKnown(_ at: Int) -> Bool {
    guard entries[at].peers.isEmpty else { return false }
    switch entries[at].phase {
    case .known: return !entries[at].isWhole
    case .refused: return false
    case .asked, .unasked, .forgotten: return true
    }
  }

  /// Those who answer a name, empty while they are not known; throws when nobody does, or it may
  /// not be resolved.
  package func resolved(_ at: Int) throws(BusError) -> [Int] {
    if !entries[at].peers.isEmpty { return entries[at].peers }
    switch entries[at].phase {
    case .known where entries[at].isWhole:
      throw .noResponders("nobody answers \(entries[at].name.text)")
    case .refused(let why): throw why
    // Whoever had come back may have ended while others are still on their way.
    case .known, .asked, .unasked, .forgotten: return []
    }
  }

  /// How many are known to answer a name.
  package func peerCount(_ at: Int) -> Int { entries[at].peers.count }

  /// The one of them, at least one, whose turn it is; the turn of the next follows.
  package mutating func nextInRound(_ at: Int) -> Int {
    let next = entries[at].next
    let place = next < entries[at].peers.count ? next : 0
    entries[at].next = place + 1
    return entries[at].peers[place]
  }

  // MARK: What waits

  /// Whether nothing waits for any name.
  package var isNothingWaiting: Bool { entries.allSatisfy(\.waiting.isEmpty) }

  /// Whether one more may wait for a name, in number.
  package func hasRoom(_ at: Int) -> Bool { entries[at].waiting.free > 0 }

  /// Whether one more may wait for it, as far as memory goes.
  package func hasMemory(_ at: Int) -> Bool { entries[at].waiting.bytes < waitingBytesMax }

  /// Has something wait for a name, behind all that does.
  package mutating func keep(_ waiting: Waiting, bytes: Int, for at: Int) {
    entries[at].waiting.appendAnyway(waiting, bytes: bytes)
  }

  /// Everything that waits for a name, in order, which waits no more.
  package mutating func drainWaiting(_ at: Int) -> [Waiting] { entries[at].waiting.drainAll() }

  /// What waits for a name does so for want of credit alone, or not.
  package mutating func setWaitsForCredit(_ at: Int, _ waits: Bool) {
    entries[at].waitsForCredit = waits
    awaitsCredit = entries.contains(where: \.waitsForCredit)
  }

  /// The names for which something waits for want of credit.
  package var waitingForCredit: [Int] { entries.indices.filter { entries[$0].waitsForCredit } }
}
