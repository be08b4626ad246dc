import BusWire

/// Requests that wait for whoever works on them: bounded in number and bytes, those of the urgent
/// lane first, and in a lane each requester in turn.
///
/// A requester that holds something already may have as much as is left free beside it, which is
/// half when it is alone: whoever comes next finds room. A plain value without a clock; a request
/// that is handed out, in whatever way, is forgotten in the same step.
package struct RequestBacklog<Requester: Hashable & Sendable, Request: Sendable>: Sendable {
  /// What is known of a request while it waits.
  package struct Ticket: Sendable {
    let requester: Requester
    let id: UInt32
    let isUrgent: Bool
    let bytes: Int
    let deadlineNs: UInt64

    /// `id`: what its requester takes it back by; `deadlineNs`: when nobody wants its reply.
    package init(
      of requester: Requester, id: UInt32, isUrgent: Bool, bytes: Int, deadlineNs: UInt64? = nil
    ) {
      self.requester = requester
      self.id = id
      self.isUrgent = isUrgent
      self.bytes = bytes
      self.deadlineNs = deadlineNs ?? .max
    }
  }

  /// A request, and those of its requester under the same id: an honest one has no other.
  private struct Entry: Sendable {
    let ticket: Ticket
    let request: Request
    var older: Key?
    var newer: Key?
  }

  /// By which requests that wait are told apart.
  private typealias Key = UInt64

  private struct Name: Hashable, Sendable {
    let requester: Requester
    let id: UInt32
  }

  /// What waits in one lane.
  private struct Turns: Sendable {
    private var queues: [Requester: SparseQueue<Key>] = [:]
    /// Whose turn is next; everybody who waits stands here once.
    private var order = SparseQueue<Requester>()

    mutating func append(_ key: Key, of requester: Requester) {
      if queues[requester] == nil { order.append(requester) }
      queues[requester, default: SparseQueue()].append(key)
    }

    mutating func popFirst() -> Key? {
      guard let requester = order.popFirst(), let key = queues[requester]?.popFirst() else {
        return nil
      }
      if queues[requester]?.isEmpty == true {
        queues[requester] = nil
      } else {
        order.append(requester)
      }
      return key
    }

    mutating func remove(_ key: Key, of requester: Requester) {
      queues[requester]?.remove(key)
      guard queues[requester]?.isEmpty == true else { return }
      queues[requester] = nil
      order.remove(requester)
    }

    func keys(of requester: Requester) -> [Key] { queues[requester]?.all ?? [] }
  }

  /// What one requester holds.
  private struct Share: Sendable {
    var count = 0
    var bytes = 0
  }

  private var entries: [Key: Entry] = [:]
  /// The newest request of each requester under each id.
  private var newest: [Name: Key] = [:]
  private var lastKey: Key = 0
  private var urgent = Turns()
  private var normal = Turns()
  private var shares: [Requester: Share] = [:]
  private var earliestNs = UInt64.max
  private let requestsMax: Int
  private let bytesMax: Int
  /// How many requests wait.
  package private(set) var count = 0
  /// How many bytes of payload wait.
  package private(set) var bytes = 0

  /// A backlog of so many requests and bytes of payload, the last request not counted.
  package init(
    requestsMax: Int = ClientLimits.own.handlerRequests,
    bytesMax: Int = ClientLimits.own.handlerBytes
  ) {
    self.requestsMax = requestsMax
    self.bytesMax = bytesMax
  }

  /// True when nothing waits.
  package var isEmpty: Bool { count == 0 }

  /// Whether a request of this requester would be taken in.
  package func hasRoom(for requester: Requester) -> Bool {
    let free = (count: requestsMax - count, bytes: bytesMax - bytes)
    let mine = shares[requester] ?? Share()
    return mine.count < free.count && mine.bytes < free.bytes
  }

  /// Takes a request in; false when too much waits, of this requester or of all.
  package mutating func add(_ request: Request, _ ticket: Ticket) -> Bool {
    guard hasRoom(for: ticket.requester) else { return false }
    lastKey += 1
    let name = Name(requester: ticket.requester, id: ticket.id)
    let older = newest.updateValue(lastKey, forKey: name)
    if let older { entries[older]?.newer = lastKey }
    entries[lastKey] = Entry(ticket: ticket, request: request, older: older)
    if ticket.isUrgent {
      urgent.append(lastKey, of: ticket.requester)
    } else {
      normal.append(lastKey, of: ticket.requester)
    }
    count += 1
    bytes += ticket.bytes
    shares[ticket.requester, default: Share()].count += 1
    shares[ticket.requester, default: Share()].bytes += ticket.bytes
    earliestNs = min(earliestNs, ticket.deadlineNs)
    return true
  }

  /// Takes out the request whose turn it is.
  package mutating func popFirst() -> Request? {
    guard let key = urgent.popFirst() ?? normal.popFirst() else { return nil }
    return forget(key)
  }

  /// Takes out the requests whose time is over; looks at most once a millisecond.
  package mutating func expire(_ nowNs: UInt64) -> [Request] {
    guard nowNs >= earliestNs else { return [] }
    var nextNs = UInt64.max
    var late: [Key] = []
    for (key, entry) in entries {
      if entry.ticket.deadlineNs <= nowNs {
        late.append(key)
      } else {
        nextNs = min(nextNs, entry.ticket.deadlineNs)
      }
    }
    earliestNs = nextNs == .max ? .max : max(nextNs, nowNs + 1_000_000)
    return late.sorted().compactMap { take($0) }
  }

  /// Takes out what a requester has under an id: nothing, where it does not wait.
  ///
  /// However much waits: cancels are cheap to send.
  package mutating func remove(_ id: UInt32, of requester: Requester) -> [Request] {
    var gone: [Request] = []
    while let key = newest[Name(requester: requester, id: id)], let request = take(key) {
      gone.append(request)
    }
    return gone.reversed()
  }

  /// Takes out everything of these requesters.
  package mutating func removeAll(of gone: (Requester) -> Bool) -> [Request] {
    let keys = shares.keys.filter(gone).flatMap { urgent.keys(of: $0) + normal.keys(of: $0) }
    return keys.compactMap { take($0) }
  }

  /// Everything that waits, which is forgotten.
  package mutating func drainAll() -> [Request] { removeAll { _ in true } }

  /// Takes a request out of the turns as well.
  private mutating func take(_ key: Key) -> Request? {
    guard let ticket = entries[key]?.ticket else { return nil }
    if ticket.isUrgent {
      urgent.remove(key, of: ticket.requester)
    } else {
      normal.remove(key, of: ticket.requester)
    }
    return forget(key)
  }

  private mutating func forget(_ key: Key) -> Request? {
    guard let entry = entries.removeValue(forKey: key) else { return nil }
    let requester = entry.ticket.requester
    if let older = entry.older { entries[older]?.newer = entry.newer }
    if let newer = entry.newer {
      entries[newer]?.older = entry.older
    } else {
      newest[Name(requester: requester, id: entry.ticket.id)] = entry.older
    }
    count -= 1
    bytes -= entry.ticket.bytes
    shares[requester]?.count -= 1
    shares[requester]?.bytes -= entry.ticket.bytes
    if shares[requester]?.count == 0 { shares[requester] = nil }
    return entry.request
  }
}

extension RequestBacklog.Ticket where Requester == PeerID {
  /// The ticket of a request that arrived with so many bytes of payload.
  package init(_ incoming: InboxMessage, bytes: Int) {
    self.init(
      of: incoming.peer, id: incoming.correlationId, isUrgent: incoming.lane == .urgent,
      bytes: bytes, deadlineNs: incoming.context.deadlineNs)
  }
}
