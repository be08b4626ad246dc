/// Which segments of counters the router of this connection was offered.
///
/// It takes them in their order alone: one that cannot be offered now keeps back those behind it,
/// which would be refused, and is tried once a turn. One that the router refuses is not offered
/// again.
package struct OfferedCounters: Sendable {
  private var numbers: Set<Int> = []

  package init() {}

  /// Offers what was not offered yet; `offer` says whether it went on its way.
  ///
  /// False when something could not.
  @discardableResult
  package mutating func go(through parts: [Int], _ offer: (Int) -> Bool) -> Bool {
    for number in parts where !numbers.contains(number) {
      guard offer(number) else { return false }
      numbers.insert(number)
    }
    return true
  }
}
