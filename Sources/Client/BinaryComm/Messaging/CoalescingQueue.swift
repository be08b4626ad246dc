/// What waits for a thread that may stand still: of each key the newest element alone.
///
/// So what waits is bounded by how many keys there are, not by how often each changes.
package struct CoalescingQueue<Key: Hashable & Sendable, Element: Sendable>: Sendable {
  private var elements: [Element] = []
  private var places: [Key: Int] = [:]

  package init() {}

  /// How many elements wait.
  package var count: Int { elements.count }

  /// Puts an element at the end, or in the place of the one of its key that waits.
  package mutating func append(_ element: Element, key: Key? = nil) {
    guard let key else { return elements.append(element) }
    if let place = places[key] {
      elements[place] = element
    } else {
      places[key] = elements.count
      elements.append(element)
    }
  }

  /// What comes of this key from here on stays behind all that waits now.
  package mutating func seal(_ key: Key) { places[key] = nil }

  /// Everything that waits, in order, which is forgotten.
  package mutating func drain() -> [Element] {
    defer { (elements, places) = ([], [:]) }
    return elements
  }
}
