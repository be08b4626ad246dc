import BusAccess
import BusRouting
import BusWire
import RouterHarness
import Testing

@Suite("A long list is answered in turns")
struct QueryTurnTests {
  /// A publisher of that many streams, and a reader of them all.
  private static func world(streams: Int) -> (
    RouterHarness, feed: ConnectionID, reader: ConnectionID
  ) {
    var world = RouterHarness()
    let feed = world.agent("feed")
    for channel in 0..<streams { _ = world.publish(feed, "feed", "c\(channel)") }
    let reader = world.agent("reader")
    world.subscribe(reader, ">", mode: .lossy)
    world.getsOn = false
    return (world, feed, reader)
  }

  private func rows(_ actions: [RouterAction]) -> [RowFrame] {
    actions.compactMap { action in
      guard case .send(_, _, .row(let row), _) = action else { return nil }
      return row
    }
  }

  @Test(
    "no turn gives more than 256 rows, all together are those of the time of the query",
    arguments: [QuerySubject.streams, .attachments])
  func turns(subject: QuerySubject) {
    var (world, feed, reader) = Self.world(streams: 600)
    var actions = world.happen(
      .frame(reader, request: 9, .query(QueryFrame(subject: subject)), []))
    var found: [String] = []
    var turns = 1
    while actions.contains(.unfinished(reader)) {
      #expect(rows(actions).count == 256)
      found += rows(actions).map { $0.fields[0].value }
      _ = world.publish(feed, "feed", "late\(turns)")
      actions = world.happen(.goOn(reader))
      turns += 1
    }
    found += rows(actions).map { $0.fields[0].value }
    #expect(turns == 3)
    #expect(found.count == 600 && Set(found).count == 600)
    #expect(found == found.sorted { ($0.count, $0) < ($1.count, $1) })
    #expect(actions.contains(.send(reader, .answer(9), .queryEnd, nil)))
    #expect(world.rows(reader, .router).count == 1)
  }

  @Test("a second query waits for the end of the first, and one of who has left goes nowhere")
  func secondQuery() {
    var (world, _, reader) = Self.world(streams: 300)
    let query = AgentFrame.query(QueryFrame(subject: .streams))
    #expect(world.ask(reader, query).count == 256)
    #expect(errorCode(world.ask(reader, query)) == .invalid)
    #expect(world.happen(.goOn(reader)).count == 45)
    #expect(world.ask(reader, query).count == 256)
    world.happen(.disconnected(reader))
    #expect(world.happen(.goOn(reader)).isEmpty)
  }
}
