import BusLog
import BusMemory
import BusTestSupport
import Testing

@Suite("The readers that a publisher wakes")
struct ParkedReadersTests {
  /// Readers of one agent, as their publisher sees them; none of them really sleeps.
  private final class Row {
    let commit = LocalWord()
    let epochs: [ReaderEpoch]
    private let segment: ReaderSegment
    private let peer: PeerSegment
    private let words: [WatchedWord32]
    private var list = SleeperList()
    var parked: ParkedReaders

    init(_ count: Int) throws {
      let segment = try ReaderSegment(agent: Stage.agent, incarnation: 7)
      let peer = try PeerSegment(consuming: segment.duplicateDescriptor(), announced: 131072)
      let epochs = try (0..<count).map { _ in try #require(segment.takeEpoch()) }
      words = try epochs.map { epoch in
        let link = FlowControl.Link(segment: peer, slot: 0, epoch: epoch.index)
        return try #require(link?.epoch)
      }
      (self.segment, self.peer, self.epochs) = (segment, peer, epochs)
      parked = ParkedReaders(commitWord: commit.word)
    }

    func join(_ number: Int) { list.hold(words[number], in: peer) }
    func leave(_ number: Int) { list.letGo(words[number]) }
    func look() { parked.take(list.takeChanges()) }

    /// How many wakes a commit of so many bytes has cost.
    func wakes(at committed: UInt64) -> Int {
      let before = parked.calls
      parked.wake(committed: committed)
      return parked.calls - before
    }
  }

  @Test("a mark is woken twice, the second time for another commit than the first")
  func twice() throws {
    let row = try Row(2)
    for number in 0..<2 { row.join(number) }
    row.look()
    #expect(row.parked.count == 2 && row.wakes(at: 64) == 0, "nobody sleeps")
    _ = row.epochs[0].announce(ownWord: false)
    #expect(row.wakes(at: 128) == 1)
    #expect(row.wakes(at: 128) == 0, "a flush of nothing")
    #expect(row.wakes(at: 192) == 1 && row.wakes(at: 256) == 0)
    row.epochs[0].awake()
    #expect(row.wakes(at: 320) == 0)
    for epoch in row.epochs { _ = epoch.announce(ownWord: false) }
    #expect(row.wakes(at: 384) == 2 && row.wakes(at: 448) == 2 && row.wakes(at: 512) == 0)
  }

  @Test("one that waits on its own word and is not found there is tried ever more rarely")
  func ownWord() throws {
    let row = try Row(1)
    row.join(0)
    row.look()
    _ = row.epochs[0].announce(ownWord: true)
    #expect(row.wakes(at: 64) > 1, "for as long as the step to its sleep may take")
    let tries = (2...10_000).reduce(0) { $0 + row.wakes(at: UInt64($1) * 64) }
    #expect(tries > 2 && tries < 20)
    row.epochs[0].awake()
    #expect(row.wakes(at: 1 << 40) == 0)
  }

  @Test("whoever was there before is looked at, whatever place it has now, and nobody who left")
  func churn() throws {
    let seed = Seed.announced(for: "readers that a publisher wakes")
    var random = seed.generator()
    let row = try Row(12)
    var present: [Int: Int] = [:]
    var committed: UInt64 = 0
    for _ in 0..<3000 {
      let number = Int.random(in: 0..<12, using: &random)
      if let readers = present[number], Bool.random(using: &random) {
        row.leave(number)
        present[number] = readers == 1 ? nil : readers - 1
      } else {
        row.join(number)
        present[number, default: 0] += 1
      }
      guard Int.random(in: 0..<4, using: &random) == 0 else { continue }
      row.look()
      #expect(row.parked.count == present.count)
      let sleeper = Int.random(in: 0..<12, using: &random)
      _ = row.epochs[sleeper].announce(ownWord: false)
      committed += 64
      #expect(row.wakes(at: committed) == (present[sleeper] == nil ? 0 : 1))
      row.epochs[sleeper].awake()
    }
  }
}
