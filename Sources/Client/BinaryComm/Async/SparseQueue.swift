import DequeModule

/// First in, first out, of elements that are there once, any of which may be taken out.
///
/// A place that was left so is passed over when its turn comes; where there are more of those than
/// of others they are given back, so that each costs one more step at most.
struct SparseQueue<Element: Hashable & Sendable>: Sendable {
  private var places = Deque<Place>()
  private var numbers: [Element: UInt64] = [:]
  private var last: UInt64 = 0

  private struct Place: Sendable {
    let element: Element
    /// Tells it from a former place of the same element.
    let number: UInt64
  }

  var isEmpty: Bool { numbers.isEmpty }
  var count: Int { numbers.count }

  /// All of them, in order.
  var all: [Element] { numbers.sorted { $0.value < $1.value }.map(\.key) }

  /// Takes in an element that is not there.
  mutating func append(_ element: Element) {
    last += 1
    numbers[element] = last
    places.append(Place(element: element, number: last))
  }

  /// The first one; nil: there is none.
  var first: Element? {
    mutating get {
      while let place = places.first, numbers[place.element] != place.number {
        _ = places.popFirst()
      }
      return places.first?.element
    }
  }

  mutating func popFirst() -> Element? {
    while let place = places.popFirst() {
      guard numbers[place.element] == place.number else { continue }
      numbers[place.element] = nil
      return place.element
    }
    return nil
  }

  func contains(_ element: Element) -> Bool { numbers[element] != nil }

  /// Takes an element out; false when it is not there.
  @discardableResult
  mutating func remove(_ element: Element) -> Bool {
    guard numbers.removeValue(forKey: element) != nil else { return false }
    guard places.count > 2 * numbers.count + 16 else { return true }
    let numbers = numbers
    places.removeAll { numbers[$0.element] != $0.number }
    return true
  }
}
