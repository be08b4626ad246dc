import BinaryComm
import BusWire
import Testing

@Suite("Which publishers of an agent a frame is for")
struct PublisherTableTests {
  private typealias Table = PublisherTable<String>

  private static func table() -> Table {
    var table = Table()
    for number in 1...3 as ClosedRange<UInt64> {
      table.byStream[StreamID(number)] = "p\(number)"
    }
    return table
  }

  private static func join(_ reader: UInt64, _ stream: UInt64) -> RouterFrame {
    .join(PublisherProbe.join(reader, stream: StreamID(stream)))
  }

  private func hearers(_ table: inout Table, _ frame: RouterFrame) -> [String] {
    table.hearers(of: frame).map(\.value).sorted()
  }

  @Test("a reader is let in by the publisher whose stream it names, and leaves that one")
  func joinAndLeave() {
    var table = Self.table()
    let joined = hearers(&table, Self.join(9, 2))
    let left = hearers(&table, PublisherProbe.leave(9))
    let again = hearers(&table, PublisherProbe.leave(9))
    #expect(joined == ["p2"] && left == ["p2"])
    #expect(again == ["p1", "p2", "p3"], "whom nobody let in may be expected by anybody")
  }

  @Test("nobody hears of a stream that is not here; who was in one that has gone is anybody's")
  func unknownStreams() {
    var table = Self.table()
    let unknown = hearers(&table, Self.join(9, 4))
    let added = hearers(&table, PublisherProbe.added([1], stream: StreamID(4)))
    _ = hearers(&table, Self.join(9, 2))
    table.byStream[StreamID(2)] = nil
    let left = hearers(&table, PublisherProbe.leave(9))
    #expect(unknown.isEmpty && added.isEmpty && left == ["p1", "p3"])
  }

  @Test("what is expected is one publisher's; ends of agents and snapshots are everybody's")
  func others() {
    var table = Self.table()
    let added = hearers(&table, PublisherProbe.added([1], stream: StreamID(3)))
    #expect(added == ["p3"])
    let ofAll = [PublisherProbe.gone(5), PublisherProbe.snapshotBegin, PublisherProbe.snapshotEnd]
    for frame in ofAll {
      let all = hearers(&table, frame)
      #expect(all == ["p1", "p2", "p3"])
    }
    for frame in PublisherProbe.others {
      let none = hearers(&table, frame)
      #expect(none.isEmpty, "\(frame.kind)")
    }
  }

  @Test("readers that went without a word are forgotten when it is time, and others are not")
  func sweep() {
    var table = Self.table()
    for reader in 1...255 as ClosedRange<UInt64> { _ = table.hearers(of: Self.join(reader, 1)) }
    #expect(!table.isSweepDue)
    _ = table.hearers(of: Self.join(256, 1))
    #expect(table.isSweepDue)
    table.keep([AttachmentID(7)])
    #expect(!table.isSweepDue)
    let kept = hearers(&table, PublisherProbe.leave(7))
    let forgotten = hearers(&table, PublisherProbe.leave(8))
    #expect(kept == ["p1"] && forgotten.count == 3)
  }

  @Test("an answer that comes too late closes the stream that it brings, and no log of another")
  func farewell() {
    let first = Table.farewell(to: PublisherProbe.added([]))
    #expect(first == .closeStream(CloseStreamFrame(stream: PublisherProbe.stream)))
    let larger = LogAddedFrame(
      stream: PublisherProbe.stream, generation: 1, expected: [], proof: .none)
    #expect(Table.farewell(to: .logAdded(larger)) == nil)
    #expect(Table.farewell(to: .done) == nil)
  }
}
