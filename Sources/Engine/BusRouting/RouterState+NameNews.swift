import BusAccess
import BusPorts
import BusWire
import DequeModule

/// Names whose responders changed through agents of one user, and of which not everybody who wants
/// to know has been told.
struct NameNews {
  /// In the order of their changes; a name that changes again before its turn is in it once.
  private var queue: Deque<ServiceName> = []
  private var waiting: Set<ServiceName> = []
  /// The name that is being told of, and who was told last.
  var current: (name: ServiceName, last: Incarnation?)?

  var isEmpty: Bool { waiting.isEmpty && current == nil }

  mutating func add(_ name: ServiceName) {
    if waiting.insert(name).inserted { queue.append(name) }
  }

  /// Begins with the next name; one that changes from here on comes again.
  mutating func begin() {
    guard let name = queue.popFirst() else { return }
    current = (name, nil)
    waiting.remove(name)
  }
}

// What one frame changes may be to be told to tens of thousands: a service of many agents that many
// watch. It is told in turns, and always as it is then: what changed back meanwhile costs nothing.

extension RouterState {
  /// What is told of the changes of one user in one turn, in frames with few responders.
  private static var newsPerTurn: Int { 256 }

  /// Everybody who wants to know is told of the name's responders, soon.
  mutating func respondersChanged(of name: ServiceName, by user: UInt32) {
    guard interested[name]?.isEmpty == false else { return }
    if nameNews[user] == nil { freshNews.insert(user) }
    nameNews[user, default: NameNews()].add(name)
  }

  /// The same for all names of an agent whose inbox opened or closed.
  mutating func respondersChanged(ofNamesOf agent: Incarnation) {
    guard let own = agents[agent] else { return }
    respondersChanged(ofOwnNameOf: own.caller)
    for name in own.answers.sorted() { respondersChanged(of: name, by: own.caller.uid) }
  }

  /// The same for an agent's own name, which nobody else answers while it lives.
  mutating func respondersChanged(ofOwnNameOf caller: Principal) {
    respondersChanged(of: ServiceName(group: .service, topic: caller.name), by: caller.uid)
  }

  /// Agents have come back: the lists that were told as provisional are told again, so many names
  /// in a turn, each in the turns of a user whose it is.
  mutating func tellProvisional() {
    guard !awaitsAgents else { return }
    for _ in 0..<min(provisional.count, Self.newsPerTurn) {
      guard let name = provisional.next() else { break }
      provisional.remove(name)
      respondersChanged(of: name, by: user(of: name))
    }
    if !provisional.isEmpty { act(.moreToDo) }
  }

  /// A user whose a name is: of the first who answers it, or else who asks for it.
  private func user(of name: ServiceName) -> UInt32 {
    let first =
      answering[name]?.min() ?? agentsByName[name.topic] ?? interested[name]?.min()
    return first.flatMap { agents[$0]?.caller.uid } ?? identity.uid
  }

  /// Tells at once what an event has changed, as far as one turn goes; those of whom something
  /// waited already have their turn in their order.
  mutating func tellFreshNews() {
    guard !freshNews.isEmpty else { return }
    for user in freshNews.sorted() { tellNews(of: user) }
    freshNews = []
    if !nameNews.isEmpty { act(.moreToDo) }
  }

  /// The next turn of everybody's changes.
  mutating func tellNews() {
    for user in nameNews.keys.sorted() { tellNews(of: user) }
    if !nameNews.isEmpty { act(.moreToDo) }
  }

  private mutating func tellNews(of user: UInt32) {
    guard var news = nameNews[user] else { return }
    var left = Self.newsPerTurn
    while left > 0 {
      if news.current == nil { news.begin() }
      guard let (name, last) = news.current else { break }
      let told = tellResponders(of: name, after: last, &left)
      news.current = told.map { (name, $0) }
    }
    nameNews[user] = news.isEmpty ? nil : news
  }

  /// Tells those who want to know, by rising incarnation, as far as the turn goes; returns who was
  /// told last, nil when nobody is left.
  private mutating func tellResponders(
    of name: ServiceName, after last: Incarnation?, _ left: inout Int
  ) -> Incarnation? {
    let watchers = interested[name] ?? []
    walk(watchers.count)
    let rest = watchers.filter { watcher in last.map { watcher > $0 } ?? true }
    let frames = responders(of: name)
    let cost = frames.reduce(0) { $0 + 1 + $1.responders.count / 16 }
    var told = last
    for watcher in rest.sorted() {
      guard left > 0 else { return told }
      for frame in frames { tell(watcher, .responders(frame)) }
      left -= cost
      told = watcher
    }
    return nil
  }
}
