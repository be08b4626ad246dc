/// Elements that several may hold at a time.
package struct CountedSet<Element: Hashable & Sendable>: Sendable {
  private var counts: [Element: Int] = [:]

  /// Nobody holds anything.
  package init() {}

  /// One more holds the element.
  package mutating func add(_ element: Element) { counts[element, default: 0] += 1 }

  /// Whether anybody holds it.
  package func contains(_ element: Element) -> Bool { counts[element] != nil }

  /// One holds it no more; true when nobody does now.
  package mutating func remove(_ element: Element) -> Bool {
    guard let count = counts[element], count > 1 else {
      counts[element] = nil
      return true
    }
    counts[element] = count - 1
    return false
  }
}
