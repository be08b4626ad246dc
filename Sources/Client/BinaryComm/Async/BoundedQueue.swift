import DequeModule

/// First in, first out, up to a number of elements and of the bytes that they stand for.
package struct BoundedQueue<Element: Sendable>: Sendable {
  private var waiting: Deque<(element: Element, bytes: Int)> = []
  private let room: Int
  private let bytesMax: Int
  /// How many bytes wait.
  package private(set) var bytes = 0

  /// A queue for so many elements, and so many bytes, the last element not counted.
  package init(room: Int, bytesMax: Int) {
    self.room = room
    self.bytesMax = bytesMax
  }

  /// How many elements wait.
  package var count: Int { waiting.count }
  /// True when nothing waits.
  package var isEmpty: Bool { waiting.isEmpty }
  /// How many more elements may come now, as far as their number goes; none while bytes are full.
  package var free: Int { bytes < bytesMax ? max(0, room - count) : 0 }

  /// Takes an element in; false when it is full.
  package mutating func append(_ element: Element, bytes: Int) -> Bool {
    guard free > 0 else { return false }
    appendAnyway(element, bytes: bytes)
    return true
  }

  /// Takes an element in that was asked for while there was room.
  package mutating func appendAnyway(_ element: Element, bytes: Int = 0) {
    waiting.append((element, bytes))
    self.bytes += bytes
  }

  /// The element that waits longest, which goes on waiting.
  package var first: Element? { waiting.first?.element }

  /// Takes out the element that waits longest.
  package mutating func popFirst() -> Element? {
    guard let first = waiting.popFirst() else { return nil }
    bytes -= first.bytes
    return first.element
  }

  /// Takes out the elements of which this is true, in order.
  @discardableResult
  package mutating func removeAll(where isToGo: (Element) -> Bool) -> [Element] {
    var gone: [Element] = []
    waiting.removeAll { one in
      guard isToGo(one.element) else { return false }
      gone.append(one.element)
      bytes -= one.bytes
      return true
    }
    return gone
  }

  /// Everything that waits, in order, which is forgotten.
  package mutating func drainAll() -> [Element] {
    defer { (waiting, bytes) = ([], 0) }
    return waiting.map(\.element)
  }
}
