import DequeModule

/// The life of every request of one desk: queued, on its way under one or several ids, ended.
///
/// A plain value without a clock, socket or task: what happens is told to it, and what it returns
/// is to be done. An ask that has ended is forgotten in the same step, so it ends once.
package struct RequestQueue: Sendable {
  /// What names an ask, from before it is queued until it ends.
  package typealias Key = UInt64

  /// Whose turn an ask waits for: asks of one queue go out in order and hold up no other queue.
  package struct Queue: Hashable, Sendable {
    package let name: String
    package let isForAll: Bool
    /// For the urgent lane: such requests do not wait behind others for credit either.
    package let isUrgent: Bool

    package init(name: String, isForAll: Bool, isUrgent: Bool = false) {
      self.name = name
      self.isForAll = isForAll
      self.isUrgent = isUrgent
    }
  }

  /// What became of an ask that is taken back.
  package enum Withdrawal: Equatable, Sendable {
    /// It had ended, or was never queued.
    case wasOver
    /// It was not sent, and will not be.
    case wasQueued
    /// The responders are to be told about these.
    case wasSent([UInt32])
  }

  private struct Entry: Sendable {
    let queue: Queue
    let bytes: Int
    let deadlineNs: UInt64
    /// Of requests without their end; nil while the ask is queued.
    var ids: [UInt32]?
  }

  private var entries: [Key: Entry] = [:]
  private var order: [Queue: Deque<Key>] = [:]
  private var owners: [UInt32: Key] = [:]
  private var earliestNs = UInt64.max
  /// How many asks are queued.
  package private(set) var queuedCount = 0
  /// How many bytes of payload are queued.
  package private(set) var queuedBytes = 0

  package init() {}

  /// How many asks may be queued.
  package static var queuedMax: Int { ClientLimits.own.asks }
  /// How many bytes of payload may be queued, the last ask not counted.
  package static var queuedBytesMax: Int { ClientLimits.own.askBytes }

  /// True when nothing is queued or on its way.
  package var isEmpty: Bool { entries.isEmpty && order.isEmpty && owners.isEmpty }
  /// How many requests are on their way.
  package var sentCount: Int { owners.count }
  /// The queues in which something waits, the urgent ones first.
  package var queues: [Queue] { order.keys.filter(\.isUrgent) + order.keys.filter { !$0.isUrgent } }
  /// Every ask that has not ended.
  package var keys: [Key] { Array(entries.keys) }

  /// The ask of a queue that is to go out next; nil: nothing waits in it.
  package func first(in queue: Queue) -> Key? { order[queue]?.first }

  /// Queues an ask; false when too much is queued already: then it is unknown here.
  package mutating func add(_ key: Key, to queue: Queue, bytes: Int, deadlineNs: UInt64) -> Bool {
    guard queuedCount < Self.queuedMax, queuedBytes < Self.queuedBytesMax else { return false }
    entries[key] = Entry(queue: queue, bytes: bytes, deadlineNs: deadlineNs)
    order[queue, default: []].append(key)
    queuedCount += 1
    queuedBytes += bytes
    earliestNs = min(earliestNs, deadlineNs)
    return true
  }

  /// The asks that are still queued when their time is over; they have ended.
  package mutating func expire(_ nowNs: UInt64) -> [Key] {
    guard nowNs >= earliestNs else { return [] }
    let late = entries.filter { $0.value.ids == nil && $0.value.deadlineNs <= nowNs }.keys.sorted()
    for key in late { unqueue(key) }
    for key in late { entries[key] = nil }
    earliestNs = entries.values.filter { $0.ids == nil }.map(\.deadlineNs).min() ?? .max
    return late
  }

  /// A queued ask is on its way under these ids.
  package mutating func sent(_ key: Key, _ ids: [UInt32]) {
    guard let entry = entries[key], entry.ids == nil else { return }
    unqueue(key)
    entries[key]?.ids = ids
    for id in ids { owners[id] = key }
    if ids.isEmpty { entries[key] = nil }
  }

  /// An ask ends without having been sent.
  package mutating func refuse(_ key: Key) {
    guard let entry = entries[key], entry.ids == nil else { return }
    unqueue(key)
    entries[key] = nil
  }

  /// Whose request an id is; nil when nobody waits for it any more.
  package func owner(of id: UInt32) -> Key? { owners[id] }

  /// A request ends; true when its ask ends with it.
  package mutating func end(_ id: UInt32) -> Bool {
    guard let key = owners.removeValue(forKey: id) else { return false }
    entries[key]?.ids?.removeAll { $0 == id }
    guard entries[key]?.ids?.isEmpty == true else { return false }
    entries[key] = nil
    return true
  }

  /// Takes an ask back.
  ///
  /// One that `listens` goes on until its responders have ended it, when they know it already.
  package mutating func withdraw(_ key: Key, listens: Bool) -> Withdrawal {
    guard let entry = entries[key] else { return .wasOver }
    guard let ids = entry.ids else {
      unqueue(key)
      entries[key] = nil
      return .wasQueued
    }
    if !listens {
      for id in ids { owners[id] = nil }
      entries[key] = nil
    }
    return .wasSent(ids)
  }

  private mutating func unqueue(_ key: Key) {
    guard let entry = entries[key] else { return }
    queuedCount -= 1
    queuedBytes -= entry.bytes
    // Nearly always the first one.
    if let at = order[entry.queue]?.firstIndex(of: key) { order[entry.queue]?.remove(at: at) }
    if order[entry.queue]?.isEmpty == true { order[entry.queue] = nil }
  }
}
