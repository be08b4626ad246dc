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

  private struct Entry: Sendable {
    let ticket: Ticket
    let request: Request
  }

  /// What waits in one lane.
  private struct Turns: Sendable {
    private var queues: [Requester: BoundedQueue<Entry>] = [:]
    /// Whose turn is next; everybody who waits stands here once.
    private var order = BoundedQueue<Requester>()

    mutating func append(_ entry: Entry) {
      let requester = entry.ticket.requester
      if queues[requester] == nil {
        queues[requester] = BoundedQueue()
        order.appendAnyway(requester)
      }
      queues[requester]?.appendAnyway(entry)
    }

    mutating func popFirst() -> Entry? {
      guard let requester = order.popFirst(), let entry = queues[requester]?.popFirst() else {
        return nil
      }
      if queues[requester]?.isEmpty == true {
        queues[requester] = nil
      } else {
        order.appendAnyway(requester)
      }
      return entry
    }

    mutating func remove(of requester: Requester, where isMeant: (Entry) -> Bool) -> [Entry] {
      let gone = queues[requester]?.removeAll(where: isMeant) ?? []
      if queues[requester]?.isEmpty == true {
        queues[requester] = nil
        order.removeAll { $0 == requester }
      }
      return gone
    }
  }

  /// What one requester holds.
  private struct Share: Sendable {
    var count = 0
    var bytes = 0
  }

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
    let entry = Entry(ticket: ticket, request: request)
    if ticket.isUrgent { urgent.append(entry) } else { normal.append(entry) }
    count += 1
    bytes += ticket.bytes
    shares[ticket.requester, default: Share()].count += 1
    shares[ticket.requester, default: Share()].bytes += ticket.bytes
    earliestNs = min(earliestNs, ticket.deadlineNs)
    return true
  }

  /// Takes out the request whose turn it is.
  package mutating func popFirst() -> Request? {
    guard let entry = urgent.popFirst() ?? normal.popFirst() else { return nil }
    forget(entry)
    return entry.request
  }

  /// Takes out the requests whose time is over; looks at most once a millisecond.
  package mutating func expire(_ nowNs: UInt64) -> [Request] {
    guard nowNs >= earliestNs else { return [] }
    var nextNs = UInt64.max
    let late = remove(of: Array(shares.keys)) { entry in
      if entry.ticket.deadlineNs <= nowNs { return true }
      nextNs = min(nextNs, entry.ticket.deadlineNs)
      return false
    }
    earliestNs = nextNs == .max ? .max : max(nextNs, nowNs + 1_000_000)
    return late
  }

  /// Takes out what a requester has under an id: nothing, where it does not wait.
  package mutating func remove(_ id: UInt32, of requester: Requester) -> [Request] {
    remove(of: [requester]) { $0.ticket.id == id }
  }

  /// Takes out everything of these requesters.
  package mutating func removeAll(of gone: (Requester) -> Bool) -> [Request] {
    remove(of: shares.keys.filter(gone)) { _ in true }
  }

  /// Everything that waits, which is forgotten.
  package mutating func drainAll() -> [Request] { removeAll { _ in true } }

  private mutating func remove(
    of requesters: [Requester], where isMeant: (Entry) -> Bool
  ) -> [Request] {
    var gone: [Entry] = []
    for requester in requesters {
      gone += urgent.remove(of: requester, where: isMeant)
      gone += normal.remove(of: requester, where: isMeant)
    }
    for entry in gone { forget(entry) }
    return gone.map(\.request)
  }

  private mutating func forget(_ entry: Entry) {
    let requester = entry.ticket.requester
    count -= 1
    bytes -= entry.ticket.bytes
    shares[requester]?.count -= 1
    shares[requester]?.bytes -= entry.ticket.bytes
    if shares[requester]?.count == 0 { shares[requester] = nil }
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
