/// First in, first out, up to a number of elements and of the bytes that they stand for.
package struct BoundedQueue<Element: Sendable>: Sendable {
  /// Taken places are emptied at once, so that nothing is held that was handed out.
  private var places: [(element: Element, bytes: Int)?] = []
  private var head = 0
  private let room: Int
  private let bytesMax: Int
  /// How many bytes wait.
  package private(set) var bytes = 0

  /// A queue for so many elements, and so many bytes, the last element not counted; for any number
  /// of them where its owner bounds what waits.
  package init(room: Int = .max, bytesMax: Int = .max) {
    self.room = room
    self.bytesMax = bytesMax
  }

  /// How many elements wait.
  package var count: Int { places.count - head }
  /// True when nothing waits.
  package var isEmpty: Bool { count == 0 }
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
    places.append((element, bytes))
    self.bytes += bytes
  }

  /// The element that waits longest, which goes on waiting.
  package var first: Element? { head < places.count ? places[head]?.element : nil }

  /// Takes out the element that waits longest.
  package mutating func popFirst() -> Element? {
    guard head < places.count, let first = places[head].take() else { return nil }
    head += 1
    bytes -= first.bytes
    // As many are moved as were taken since: each taken element moves one other at most.
    if head * 2 >= places.count {
      places.removeFirst(head)
      head = 0
    }
    return first.element
  }

  /// Takes out the elements of which this is true, in order.
  @discardableResult
  package mutating func removeAll(where isToGo: (Element) -> Bool) -> [Element] {
    var gone: [Element] = []
    places = places[head...].filter { place in
      guard let place else { return false }
      if isToGo(place.element) {
        gone.append(place.element)
        return false
      }
      return true
    }
    head = 0
    bytes = places.reduce(0) { $0 + ($1?.bytes ?? 0) }
    return gone
  }

  /// Everything that waits, in order, which is forgotten.
  package mutating func drainAll() -> [Element] {
    defer { (places, head, bytes) = ([], 0, 0) }
    return places[head...].compactMap { $0?.element }
  }
}
