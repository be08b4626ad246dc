package import BusWire

/// The logs whose hand-over was lost because this process had no room for them, and when the
/// router is asked for each again.
///
/// A plain value without a clock: times are those of whoever calls.
package struct LostHandOvers: Sendable {
  /// One stream that one subscription should read.
  package struct Key: Hashable, Sendable {
    package let subscription: UInt32
    package let stream: StreamID

    package init(subscription: UInt32, stream: StreamID) {
      self.subscription = subscription
      self.stream = stream
    }
  }

  private struct Entry: Sendable {
    var tries = 0
    var dueNs: UInt64
  }
  private var entries: [Key: Entry] = [:]

  package init() {}

  /// How often a stream is asked for; with the pauses between, for about five minutes.
  package static var triesMax: Int { ClientLimits.own.handOverTries }
  /// How many streams are asked for at a time; those beyond are told, and not asked for.
  package static var keptMax: Int { ClientLimits.own.lostHandOvers }

  /// True when nothing is to be asked for.
  package var isEmpty: Bool { entries.isEmpty }
  /// When the next one is to be asked for.
  package var dueNs: UInt64? { entries.values.map(\.dueNs).min() }

  /// A hand-over was lost; true when that is news, so that somebody must be told.
  package mutating func lost(_ key: Key, nowNs: UInt64) -> Bool {
    guard entries[key] == nil else { return false }
    if entries.count < Self.keptMax {
      entries[key] = Entry(dueNs: nowNs &+ Self.pauseNs(after: 0))
    }
    return true
  }

  /// It has arrived, or there is nothing more to come.
  package mutating func settle(_ key: Key) { entries[key] = nil }

  /// Nobody reads for this subscription any more.
  package mutating func forget(subscription: UInt32) {
    entries = entries.filter { $0.key.subscription != subscription }
  }

  /// Those that are to be asked for now, each for the last time when it was asked for often enough.
  package mutating func drainDue(nowNs: UInt64) -> [Key] {
    let due = entries.filter { $0.value.dueNs <= nowNs }
    for (key, entry) in due {
      let tries = entry.tries + 1
      // The pause is the time in which the answer comes, or is lost again.
      entries[key] =
        tries < Self.triesMax
        ? Entry(tries: tries, dueNs: nowNs &+ Self.pauseNs(after: tries)) : nil
    }
    return due.keys.sorted { left, right in
      (left.subscription, left.stream.value) < (right.subscription, right.stream.value)
    }
  }

  /// There is still no room for any: looks again in a second, which asks nobody anything.
  package mutating func postpone(nowNs: UInt64) {
    for (key, entry) in entries where entry.dueNs <= nowNs {
      entries[key]?.dueNs = nowNs &+ 1_000_000_000
    }
  }

  private static func pauseNs(after tries: Int) -> UInt64 {
    min(30_000_000_000, 100_000_000 << UInt64(min(tries, 9)))
  }
}
