/// What waits for a thread that may stand still: of each key the newest element alone, behind all
/// that came before it.
///
/// So what waits is bounded by how many keys there are, not by how often each changes; its owner
/// takes care that nobody makes it ever new ones.
package struct CoalescingQueue<Key: Hashable & Sendable, Element: Sendable>: Sendable {
  /// By when they came.
  private var elements: [UInt64: Element] = [:]
  private var newest: [Key: UInt64] = [:]
  private var last: UInt64 = 0

  package init() {}

  /// How many elements wait.
  package var count: Int { elements.count }

  /// Puts an element at the end; the one of its key that waits is forgotten.
  package mutating func append(_ element: Element, key: Key? = nil) {
    last += 1
    elements[last] = element
    guard let key, let former = newest.updateValue(last, forKey: key) else { return }
    elements[former] = nil
  }

  /// Everything that waits, in order, which is forgotten.
  package mutating func drain() -> [Element] {
    defer { (elements, newest) = ([:], [:]) }
    return elements.sorted { $0.key < $1.key }.map(\.value)
  }
}
