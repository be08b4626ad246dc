import BinaryComm
import BusLog
import BusWire
import Testing

/// The streams of an inbox in which answers lie.
private struct Answers: AnswerStreams {
  var published: [AttachmentID: UInt64] = [:]
  var taken: [AttachmentID: UInt64] = [:]

  func reads(anyOf streams: Set<AttachmentID>) -> Bool {
    streams.contains { published[$0] != nil }
  }
  func published(in streams: Set<AttachmentID>) -> [AttachmentID: UInt64] {
    published.filter { streams.contains($0.key) }
  }
  func hasTaken(_ counts: [AttachmentID: UInt64]) -> Bool {
    counts.allSatisfy { key, count in taken[key, default: 0] >= count }
  }
}

@Suite("Requests whose log is read no longer")
struct OrphanTableTests {
  private static let stream = AttachmentID(5)
  private static let lane = LaneKey(peer: 1, lane: .normal)

  private static func orphan(_ ids: [UInt32], leftNs: UInt64 = 0) -> OrphanedRequests {
    OrphanedRequests(lane: lane, ids: ids, answers: [stream], leftNs: leftNs)
  }

  private static func lost(
    _ table: inout OrphanTable, _ answers: Answers, _ nowNs: UInt64
  ) -> [UInt32] {
    table.drainUnanswered(answers, nowNs).flatMap(\.ids)
  }

  @Test("they end at once where none of the peer's streams is read")
  func gone() {
    var table = OrphanTable()
    table.add(Self.orphan([1, 2]))
    #expect(Self.lost(&table, Answers(), 0) == [1, 2] && table.isEmpty)
  }

  @Test("they wait for the peer's patience, then for what had been written by then, and no longer")
  func waits() {
    let end = OrphanedRequests.patienceNs
    var table = OrphanTable()
    var answers = Answers(published: [Self.stream: 3])
    table.add(Self.orphan([1]))
    #expect(Self.lost(&table, answers, end - 1).isEmpty)
    #expect(Self.lost(&table, answers, end).isEmpty)
    // What comes after does not count.
    answers.published[Self.stream] = 100
    answers.taken[Self.stream] = 2
    #expect(Self.lost(&table, answers, 50 * end).isEmpty)
    answers.taken[Self.stream] = 3
    #expect(Self.lost(&table, answers, 50 * end) == [1])
  }

  @Test("each lost log of a lane has its own requests and its own time")
  func own() {
    let end = OrphanedRequests.patienceNs
    var table = OrphanTable()
    let answers = Answers(published: [Self.stream: 0])
    table.add(Self.orphan([1]))
    table.add(Self.orphan([2], leftNs: 10))
    #expect(table.ids(of: Self.lane) == [1, 2])
    #expect(table.ids(of: LaneKey(peer: 1, lane: .urgent)).isEmpty)
    #expect(Self.lost(&table, answers, end) == [1] && Self.lost(&table, answers, end + 10) == [2])
  }

  @Test("those that were answered, and those of a forgotten peer, are forgotten")
  func forgotten() {
    var table = OrphanTable()
    table.add(Self.orphan([1, 2]))
    table.add(Self.orphan([3]))
    table.forgetEnded { $0 == 2 }
    #expect(table.ids(of: Self.lane) == [1, 2])
    table.remove(peer: 1)
    #expect(table.isEmpty)
  }
}

@Suite("Peers that cannot be read")
struct UnreadablePeersTests {
  @Test("the newest reason is kept until the peer is read, and only of what this process lacks")
  func reasons() {
    var peers = UnreadablePeers()
    let starved = BusError.resourceExhausted("no descriptor", cause: .descriptors)
    let problems = [
      StreamProblem(publisher: "a", error: starved),
      StreamProblem(publisher: "b", error: .corrupt("broken")),
    ]
    peers.note(problems) { [] }
    #expect(peers.reason("a") == starved && peers.reason("b") == nil)
    peers.remove("a")
    #expect(peers.reason("a") == nil)
  }

  @Test("of too many those that are gone make room, and where all are there no more come in")
  func bound() {
    let starved = BusError.resourceExhausted("no descriptor", cause: .descriptors)
    func problem(_ number: Int) -> StreamProblem {
      StreamProblem(publisher: "p\(number)", error: starved)
    }
    var peers = UnreadablePeers()
    peers.note((0..<UnreadablePeers.most).map(problem)) { [] }
    let all = Set((0..<UnreadablePeers.most).map { "p\($0)" })
    peers.note([problem(5000)]) { all }
    #expect(peers.reason("p5000") == nil && peers.reason("p0") != nil)
    peers.note([problem(5000)]) { ["p7"] }
    #expect(peers.reason("p5000") == starved && peers.reason("p0") == nil)
    #expect(peers.reason("p7") == starved)
  }
}
