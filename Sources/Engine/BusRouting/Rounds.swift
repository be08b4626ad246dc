import DequeModule

/// Things that are looked at one after another, again and again, a few at a time.
///
///     for _ in 0..<min(rounds.count, 256) {
///       if let next = rounds.next() { … }
///     }
///
/// Whatever comes and goes meanwhile, each has its turn before any other has a second one.
struct Rounds<Item: Hashable> {
  /// Which place in the line holds: a thing that went and came back stands in it twice.
  private var tickets: [Item: UInt64] = [:]
  private var line: Deque<(item: Item, ticket: UInt64)> = []
  private var lastTicket: UInt64 = 0

  var count: Int { tickets.count }
  var isEmpty: Bool { tickets.isEmpty }

  mutating func insert(_ item: Item) {
    if tickets[item] == nil { stand(item) }
  }

  mutating func remove(_ item: Item) {
    guard tickets.removeValue(forKey: item) != nil else { return }
    // Places of what went are passed over; so that they are not most of the line, it closes up.
    guard line.count > 2 * tickets.count + Self.kept else { return }
    let tickets = tickets
    line.removeAll { tickets[$0.item] != $0.ticket }
  }

  /// The next one, which has its next turn after all others.
  mutating func next() -> Item? {
    while let (item, ticket) = line.popFirst() {
      guard tickets[item] == ticket else { continue }
      stand(item)
      return item
    }
    return nil
  }

  private mutating func stand(_ item: Item) {
    lastTicket += 1
    tickets[item] = lastTicket
    line.append((item, lastTicket))
  }

  /// Places of what went that are kept in any case.
  private static var kept: Int { 64 }
}
