import BinaryComm
import BusLog
import BusTestSupport
import BusWire
import Glibc
import ProcessSupport
import Testing

@Suite("Agents live on without their router")
struct RouterRestartTests {
  @Test(
    "after kill -9 messages go on, and a newcomer hears an old publisher")
  func killed() throws { try outlive(SIGKILL) }

  @Test(
    "after SIGTERM messages go on, and a newcomer hears an old publisher")
  func terminated() throws { try outlive(SIGTERM) }

  @Test("a larger log that was made and not used yet costs no router the log in use")
  func unusedLog() throws {
    try Watchdog.bounding("a log in use that no new router knows", seconds: 120) {
      var bus = try ClientBus()
      let writer = try bus.agent("writer")
      var publisher = try writer.publisher(
        on: "ticks", options: PublisherOptions(firstLogBytes: 16 << 10))
      let topic = try publisher.topic("ticks")
      // Too large for the first log: another one is made, and this publisher never goes over to it.
      let error = failure { () throws(BusError) in
        try publisher.tryPublish(topic, numbered(0, bytes: 20_000).raw)
      }
      #expect(error?.code == .wouldBlock)
      // The service thread looks for logs that nobody needs once a second.
      usleep(2_500_000)
      try bus.endRouter(SIGKILL)
      while writer.isConnected { breathe() }
      try bus.startRouter()
      while !writer.isConnected { breathe() }
      let listener = try bus.agent("listener")
      var reader = try listener.reader("ticks", mode: .lossless)
      try reader.meet()
      try publisher.tryPublish(topic, numbered(1).raw)
      #expect(try reader.take(1) == [1])
    }
  }

  private func outlive(_ signal: Int32) throws {
    try Watchdog.bounding("router ended by signal \(signal)", seconds: 120) {
      var bus = try ClientBus()
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      let life = writer.incarnation
      var reader = try listener.reader("ticks", mode: .lossless)
      var publisher = try writer.publisher(on: "ticks")
      var next = 0
      try exchange(&publisher, &reader, &next)
      for _ in 0..<2 {
        try bus.endRouter(signal)
        while writer.isConnected || listener.isConnected { breathe() }
        try exchange(&publisher, &reader, &next)
        try bus.startRouter()
        while !writer.isConnected || !listener.isConnected { breathe() }
        try exchange(&publisher, &reader, &next)
      }
      #expect(writer.incarnation == life)
      #expect(reader.statistics.streams == 1 && reader.statistics.gaps == 0)
      try meetNewcomer(bus.agent("newcomer"), &publisher, next)
      #expect(try reader.take(10) == Array(next..<next + 10))
      try meetAgain(writer, listener)
    }
  }

  private func exchange(
    _ publisher: inout Publisher, _ reader: inout Reader, _ next: inout Int
  ) throws {
    for _ in 0..<100 {
      try publisher.publish("ticks", numbered(next))
      #expect(try reader.take(1) == [next])
      next += 1
    }
  }

  /// A subscriber that came after the restart is given the log of a publisher from before.
  private func meetNewcomer(_ agent: Agent, _ publisher: inout Publisher, _ next: Int) throws {
    var reader = try agent.reader("ticks", mode: .lossless)
    while reader.statistics.streams == 0 { _ = try reader.poll { _ in } }
    for value in next..<next + 10 { try publisher.publish("ticks", numbered(value)) }
    #expect(try reader.take(10) == Array(next..<next + 10))
  }

  /// The new router serves old agents with new publishers and subscriptions, too.
  private func meetAgain(_ writer: Agent, _ listener: Agent) throws {
    var reader = try listener.reader("alerts.>", mode: .lossless)
    var publisher = try writer.publisher(on: "alerts")
    while reader.statistics.streams == 0 { _ = try reader.poll { _ in } }
    for value in 0..<10 { try publisher.publish("alerts.disk", numbered(value)) }
    #expect(try reader.take(10) == Array(0..<10))
    // The newcomer is gone; that the router has seen it go takes as long as it takes.
    while try writer.query(.agents).count != 2 { breathe() }
  }
}
