/// What waits for a thread that may stand still: of each key the newest element alone, behind all
/// that came before it.
///
/// So what waits is bounded by how many keys there are, not by how often each changes; its owner
/// takes care that nobody makes it ever new ones.
package struct CoalescingQueue<Key: Hashable & Sendable, Element: Sendable>: Sendable {
  /// In order; nil where a newer one of the same key stands further on.
  private var elements: [Element?] = []
  private var places: [Key: Int] = [:]
  private var gaps = 0

  package init() {}

  /// How many elements wait.
  package var count: Int { elements.count - gaps }

  /// Puts an element at the end; the one of its key that waits is forgotten.
  package mutating func append(_ element: Element, key: Key? = nil) {
    if let key {
      if let place = places[key] {
        elements[place] = nil
        gaps += 1
      }
      places[key] = elements.count
    }
    elements.append(element)
    if gaps > elements.count / 2 + Self.gapsKept { closeGaps() }
  }

  private mutating func closeGaps() {
    var (kept, moved) = ([Element?](), [Int](repeating: 0, count: elements.count))
    for (place, element) in elements.enumerated() where element != nil {
      moved[place] = kept.count
      kept.append(element)
    }
    places = places.mapValues { moved[$0] }
    (elements, gaps) = (kept, 0)
  }

  private static var gapsKept: Int { 16 }

  /// Everything that waits, in order, which is forgotten.
  package mutating func drain() -> [Element] {
    defer { (elements, places, gaps) = ([], [:], 0) }
    return elements.compactMap { $0 }
  }
}
