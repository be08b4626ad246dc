import BinaryComm
import BusLog
import BusTestSupport
import BusWire
import ProcessSupport
import Testing

@Suite("A lossless reader that does not read")
struct EvictionTests {
  @Test("is evicted: the publisher goes on, and the reader is told once")
  func evicted() throws {
    try Watchdog.bounding("eviction", seconds: 60) {
      let bus = try ClientBus(["--stall", "0.3"])
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      var reader = try listener.reader("ticks", mode: .lossless)
      var publisher = try writer.publisher(on: "ticks", options: smallLog)
      for value in 0..<2000 { try publisher.publish("ticks", numbered(value)) }
      let published = publisher.published
      #expect(published == 2000)
      var evictions = 0
      var others: [BusError] = []
      for _ in 0..<100 {
        let error = failure { () throws(BusError) in _ = try reader.poll { _ in } }
        if error?.code == .evicted { evictions += 1 } else if let error { others.append(error) }
        breathe()
      }
      #expect(evictions == 1 && others.isEmpty)
      #expect(reader.statistics.streams == 0)
      var again = try listener.reader("ticks", mode: .lossless)
      try publisher.publish("ticks", numbered(7))
      #expect(try again.take(1) == [7])
    }
  }

  @Test("loses its own window only: a reader beside it gets everything")
  func neighbour() throws {
    try Watchdog.bounding("eviction beside a reader", seconds: 60) {
      let bus = try ClientBus(["--stall", "0.3"])
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      let sluggard = try bus.agent("sluggard")
      var reader = try listener.reader("ticks", mode: .lossless)
      var idle = try sluggard.reader("ticks", mode: .lossless)
      let worker = Worker {
        var publisher = try writer.publisher(on: "ticks", options: smallLog)
        for value in 0..<5000 { try publisher.publish("ticks", numbered(value)) }
        publisher.close()
        return 5000
      }
      var numbers: [Int] = []
      while reader.statistics.ended == 0 {
        _ = try reader.poll { numbers.append(number($0.payload)) }
        if numbers.count % 64 == 0 { breathe() }
      }
      #expect(try worker.join() == 5000)
      #expect(numbers == Array(0..<5000))
      var error: BusError?
      while error == nil { error = failure { () throws(BusError) in _ = try idle.poll { _ in } } }
      #expect(error?.code == .evicted)
    }
  }

  @Test(
    "what it was given of other streams by the same call stands, of its publisher's, too",
    arguments: [["a", "b"], ["b", "a"]])
  func otherStreams(order: [String]) throws {
    try Watchdog.bounding("eviction beside another stream", seconds: 60) {
      let bus = try ClientBus(["--stall", "0.3"])
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      var reader = try listener.reader(">", mode: .lossless)
      var first = try writer.publisher(on: order[0], options: smallLog)
      var second = try writer.publisher(on: order[1], options: smallLog)
      for value in 0..<5 {
        if order[0] == "b" { try first.publish("b", numbered(value)) }
        if order[1] == "b" { try second.publish("b", numbered(value)) }
      }
      for value in 0..<2000 {
        if order[0] == "a" { try first.publish("a", numbered(value)) }
        if order[1] == "a" { try second.publish("a", numbered(value)) }
      }
      var numbers: [Int] = []
      var evictions = 0
      while numbers.count < 5 || evictions == 0 {
        var batch: [ReceivedMessage] = []
        let error = failure { () throws(BusError) in
          _ = try reader.poll { batch.append($0.copy()) }
        }
        if let error {
          #expect(error.code == .evicted)
          evictions += 1
          if let void = reader.evictedStream {
            #expect(batch.allSatisfy { ($0.topic == "a") == ($0.stream == void) })
            batch.removeAll { $0.stream == void }
          } else {
            #expect(batch.isEmpty, "the router's word came first, before anything was read")
          }
          _ = reader.drainProblems()
          let next = reader.evictedStream
          #expect(next == nil)
        }
        numbers += batch.filter { $0.topic == "b" }.map { number($0.payload) }
        breathe()
      }
      #expect(numbers == Array(0..<5) && evictions == 1)
    }
  }
}
