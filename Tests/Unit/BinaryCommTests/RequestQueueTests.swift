import BinaryComm
import BusTestSupport
import Testing

@Suite("The life of requests")
struct AskBookTests {
  @Test("every request ends once, and is not sent after it was taken back, whatever comes when")
  func interleavings() {
    let first = Seed.announced(for: "the life of requests").value
    for offset in 0..<2500 {
      let complaint = AskRun(seed: first &+ UInt64(offset)).complaint(steps: 160)
      #expect(complaint == nil, "seed \(first &+ UInt64(offset))")
    }
  }

  @Test("a desk that forgets to take requests back is found", arguments: AskRun.Defect.allCases)
  func defects(_ defect: AskRun.Defect) {
    let found = (0..<2000).contains { seed in
      AskRun(seed: UInt64(seed), defect: defect).complaint(steps: 160) != nil
    }
    #expect(found)
  }

  @Test("more requests than may wait are refused, by number and by bytes")
  func bounds() {
    let queue = RequestQueue.Queue(name: "a", isForAll: false)
    var many = RequestQueue()
    for key in 0..<UInt64(RequestQueue.queuedMax) {
      let isQueued = many.add(key, to: queue, bytes: 1, deadlineNs: 1)
      #expect(isQueued)
    }
    let oneMore = many.add(.max, to: queue, bytes: 1, deadlineNs: 1)
    #expect(!oneMore)
    let late = many.expire(1)
    #expect(late.count == RequestQueue.queuedMax)
    #expect(many.isEmpty && many.queuedBytes == 0)
    var large = RequestQueue()
    let first = large.add(1, to: queue, bytes: RequestQueue.queuedBytesMax, deadlineNs: 1)
    let second = large.add(2, to: queue, bytes: 1, deadlineNs: 1)
    #expect(first && !second)
    let takenBack = large.withdraw(1, listens: false)
    #expect(takenBack == .wasQueued)
    let third = large.add(2, to: queue, bytes: 1, deadlineNs: 1)
    #expect(third)
  }

  @Test("parts for one requester that does not read hold up no other requester's")
  func parts() {
    var parked = StalledParts<Int, Int>()
    for part in 0..<6 {
      let isKept = parked.add(part, of: 10, to: part % 2)
      #expect(isKept)
    }
    var sent: [Int] = []
    parked.retry { place, part in
      if place == 1 { sent.append(part) }
      return place == 1
    }
    #expect(sent == [1, 3, 5])
    #expect(parked.holds(0) && !parked.holds(1) && parked.bytes == 30)
    let left = parked.drainAll()
    #expect(left == [0, 2, 4])
    #expect(parked.isEmpty && parked.bytes == 0)
  }

  @Test("parts are bounded in number for each requester, and in bytes for all of them")
  func partBounds() {
    var many = StalledParts<Int, Int>()
    for part in 0..<StalledParts<Int, Int>.perPlaceMax {
      let isKept = many.add(part, of: 0, to: 1)
      #expect(isKept)
    }
    let oneMore = many.add(-1, of: 0, to: 1)
    let other = many.add(-1, of: 1, to: 2)
    #expect(!oneMore && other)
    var large = StalledParts<Int, Int>()
    let first = large.add(1, of: StalledParts<Int, Int>.bytesMax, to: 1)
    let second = large.add(2, of: 1, to: 2)
    let empty = large.add(3, of: 0, to: 2)
    #expect(first && !second && empty, "a refusal in place of a reply takes no bytes")
  }
}

/// One random interleaving of what can happen to the requests of a desk, and what must hold.
struct AskRun {
  /// A mistake that the run must find; made here, around the book.
  enum Defect: CaseIterable, Sendable {
    /// A cancel of a request that is still queued does nothing.
    case cancelOfQueuedIsLost
    /// A response to a request that was taken back is handed out.
    case lateResponse
  }

  private let defect: Defect?
  private var random: SplitMix64
  private var book = RequestQueue()
  private var nextKey: UInt64 = 0
  private var nextId: UInt32 = 0
  private var nowNs: UInt64 = 0
  private var outcomes: [UInt64: Int] = [:]
  private var takenBack: Set<UInt64> = []
  private var deadlines: [UInt64: UInt64] = [:]
  private var credit: [String: Int] = [:]
  /// Requests at their responders: who answers them, and for which ask.
  private var inFlight: [UInt32: (name: String, key: UInt64)] = [:]
  private var complaints: [String] = []
  private var order: [RequestQueue.Queue: UInt64] = [:]

  init(seed: UInt64, defect: Defect? = nil) {
    random = SplitMix64(seed: seed)
    self.defect = defect
  }

  /// Runs so many steps; what did not hold, nil when everything did.
  func complaint(steps: Int) -> String? {
    var run = self
    for _ in 0..<steps {
      run.step()
      if let complaint = run.complaints.first { return complaint }
    }
    run.stop()
    return run.complaints.first
  }

  private mutating func step() {
    switch Int.random(in: 0..<9, using: &random) {
    case 0, 1: submit()
    case 2, 3: turn()
    case 4: cancel()
    case 5: credit[name(), default: 2] += 1
    case 6: respond()
    case 7: Bool.random(using: &random) ? die() : respond()
    default: nowNs += UInt64.random(in: 0..<20, using: &random)
    }
  }

  private mutating func name() -> String { ["a", "b", "c"].randomElement(using: &random) ?? "a" }

  private mutating func submit() {
    nextKey += 1
    let queue = RequestQueue.Queue(
      name: name(), isForAll: Bool.random(using: &random), isUrgent: Bool.random(using: &random))
    deadlines[nextKey] = nowNs + UInt64.random(in: 1..<60, using: &random)
    let isQueued = book.add(
      nextKey, to: queue, bytes: 7, deadlineNs: deadlines[nextKey] ?? 0)
    check(isQueued, "a request was refused although few wait")
    // Half of the tasks are cancelled before the loop makes its first turn.
    if UInt64.random(in: 0..<4, using: &random) == 0 { withdraw(nextKey) }
  }

  private mutating func turn() {
    for key in book.expire(nowNs) {
      check((deadlines[key] ?? .max) <= nowNs, "request \(key) was over before its time")
      end(key)
    }
    for queue in book.queues {
      while credit[queue.name, default: 2] > 0, let key = book.first(in: queue) {
        check(!takenBack.contains(key), "request \(key) was sent after it was taken back")
        check((deadlines[key] ?? 0) > nowNs, "request \(key) was sent after its time")
        check(order[queue, default: 0] < key, "request \(key) overtook another one")
        check(!isOvertaking(queue), "request \(key) went before an urgent one")
        order[queue] = key
        let ids = (0..<(queue.isForAll ? 2 : 1)).map { nextId + 1 + UInt32($0) }
        nextId += UInt32(ids.count)
        credit[queue.name, default: 2] -= ids.count
        for id in ids { inFlight[id] = (queue.name, key) }
        book.sent(key, ids)
      }
    }
  }

  /// Whether urgent requests wait in the place of those of a queue that go out.
  private func isOvertaking(_ queue: RequestQueue.Queue) -> Bool {
    let urgent = RequestQueue.Queue(name: queue.name, isForAll: queue.isForAll, isUrgent: true)
    return !queue.isUrgent && book.first(in: urgent) != nil
  }

  private mutating func cancel() {
    guard nextKey > 0 else { return }
    withdraw(UInt64.random(in: 1...nextKey, using: &random))
  }

  private mutating func withdraw(_ key: UInt64) {
    let wasOver = outcomes[key] != nil
    if defect == .cancelOfQueuedIsLost, !inFlight.values.contains(where: { $0.key == key }) {
      if !wasOver { takenBack.insert(key) }
      return
    }
    switch book.withdraw(key, listens: false) {
    case .wasOver: check(wasOver, "request \(key) is unknown and has no outcome")
    case .wasQueued, .wasSent:
      takenBack.insert(key)
      end(key)
    }
  }

  private mutating func respond() {
    guard let id = inFlight.keys.sorted().randomElement(using: &random) else { return }
    finish(id)
  }

  private mutating func die() {
    let dead = name()
    for id in inFlight.filter({ $0.value.name == dead }).keys.sorted() { finish(id) }
  }

  private mutating func finish(_ id: UInt32) {
    guard let (name, key) = inFlight.removeValue(forKey: id) else { return }
    credit[name, default: 2] += 1
    let owner = book.owner(of: id)
    check(owner == nil || owner == key, "the response \(id) went to another request")
    if owner == nil, defect == .lateResponse { end(key) }
    if book.end(id) { end(key) }
  }

  private mutating func end(_ key: UInt64) {
    outcomes[key, default: 0] += 1
    check(outcomes[key] == 1, "request \(key) ended twice")
  }

  /// The agent is closed: everything that has no outcome gets one, and nothing is left.
  private mutating func stop() {
    for id in inFlight.keys.sorted() { finish(id) }
    for key in book.keys { withdraw(key) }
    for key in 1..<(nextKey + 1) { check(outcomes[key] == 1, "request \(key) has no outcome") }
    check(book.isEmpty && book.queuedCount == 0 && book.queuedBytes == 0, "something is left")
    check(book.sentCount == 0, "a place is left taken")
  }

  private mutating func check(_ holds: Bool, _ complaint: String) {
    if !holds { complaints.append(complaint) }
  }
}
