import DequeModule

/// Replies, and parts of them, that wait for room: in order for each requester, bounded in number
/// for each, and in bytes for all of them.
package struct StalledParts<Place: Hashable & Sendable, Part: Sendable>: Sendable {
  private var parts: [Place: Deque<(part: Part, bytes: Int)>] = [:]
  /// How many bytes wait.
  package private(set) var bytes = 0

  package init() {}

  /// How many parts may wait for one place.
  package static var perPlaceMax: Int { ClientLimits.own.parkedPerRequester }
  /// How many bytes may wait, the last part not counted; of parts without bytes any number.
  package static var bytesMax: Int { ClientLimits.own.parkedBytes }

  /// True when nothing waits.
  package var isEmpty: Bool { parts.isEmpty }

  /// Whether something waits for this place: then what follows must wait behind it.
  package func holds(_ place: Place) -> Bool { parts[place] != nil }

  /// Keeps a part; false when too much waits already.
  package mutating func add(_ part: Part, of bytes: Int, to place: Place) -> Bool {
    guard bytes == 0 || self.bytes < Self.bytesMax,
      parts[place, default: []].count < Self.perPlaceMax
    else { return false }
    parts[place, default: []].append((part, bytes))
    self.bytes += bytes
    return true
  }

  /// Tries each place's parts in order, until `step` says that one must go on waiting.
  ///
  /// What one place waits for holds up no other place.
  package mutating func retry(_ step: (Place, Part) -> Bool) {
    for place in Array(parts.keys) {
      while let next = parts[place]?.first, step(place, next.part) {
        parts[place]?.removeFirst()
        bytes -= next.bytes
      }
      if parts[place]?.isEmpty == true { parts[place] = nil }
    }
  }

  /// Everything that waits, which is forgotten.
  package mutating func drainAll() -> [Part] {
    defer { (parts, bytes) = ([:], 0) }
    return parts.values.flatMap { $0.map(\.part) }
  }
}
