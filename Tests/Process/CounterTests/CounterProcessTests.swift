import BinaryComm
import BusAdmin
import BusCounters
import BusLog
import BusTestSupport
import BusWire
import CBusABI
import Foundation
import Glibc
import ProcessSupport
import Testing

/// Counters of other processes, compared with what these say themselves.
@Suite("Counters between processes", .serialized)
struct CounterProcessTests {
  private func watcher(_ directory: String) throws -> (agent: Agent, watch: CounterWatch) {
    let agent = try Bus.connect(to: directory).register("watcher")
    return (agent, try agent.watchCounters())
  }

  @Test("what bcs pub and bcs sub say of themselves is what their counters say")
  func publishersAndReaders() throws {
    try Watchdog.bounding("counters of processes", seconds: 120) {
      let dir = try TemporaryDirectory("counters")
      let bus = try CLIBus(dir.path)
      let (agent, watch) = try watcher(dir.path)
      let all = try bus.subscriber("load.>", "--lossless", "--raw", "--name", "all")
      let some = try bus.subscriber("load.b", "--raw", "--name", "some")
      var published = (messages: UInt64(0), bytes: UInt64(0))
      for (name, topic, count) in [("p1", "load.a", 20_000), ("p2", "load.b", 700)] {
        let result = try bus.run(
          "pub", topic, "message {{count}}", "--template", "--count", "\(count)", "--json",
          "--name", name)
        let line = try #require(try jsonLines(result.stdout).first)
        let bytes = UInt64(try #require(line["bytes"] as? Int))
        published.messages += UInt64(count)
        published.bytes += bytes
        // Kept for some seconds after the process has ended.
        let counts = watch.picture().counts(name, .sent)
        #expect(counts.messages == UInt64(count) && counts.bytes == bytes, "\(name)")
      }
      let picture = watch.picture { picture in
        picture.counts("all", .received).expected == published.messages
          && picture.counts("some", .received).expected == published.messages
          && picture.channels.allSatisfy { $0.pending == 0 }
      }
      let counts = picture.counts("all", .received)
      #expect(counts.messages == published.messages && counts.bytes == published.bytes)
      #expect(picture.isBalanced)
      let heard = picture.counts("some", .received)
      #expect(heard.messages &+ heard.gapMessages &+ heard.dropped(.filtered) == 20_700)
      for (child, name) in [(all, "all"), (some, "some")] {
        child.signal(SIGINT)
        let said = try child.wait().stderr
        let counts = picture.counts(name, .received)
        #expect(said.contains("received \(counts.messages) lost \(counts.gapMessages)"), "\(said)")
      }
      agent.close()
    }
  }

  @Test("a reader that is killed has left what it had not read, and its name goes after a while")
  func killedReader() throws {
    try Watchdog.bounding("counters of a killed reader", seconds: 120) {
      let dir = try TemporaryDirectory("counters")
      let bus = try CLIBus(dir.path, ["--stall", "600"])
      let (agent, watch) = try watcher(dir.path)
      let reader = try bus.subscriber("load.a", "--lossless", "--raw", "--name", "victim")
      var publisher = try agent.publisher(on: "load.a")
      try publisher.publish("load.a", [1])
      _ = watch.picture { $0.counts("victim", .received).messages == 1 }
      reader.signal(SIGSTOP)
      for _ in 0..<300 { try publisher.publish("load.a", [1]) }
      let before = watch.picture()
      let depth = try #require(before.all("victim", .received).first?.depth)
      #expect(before.counts("victim", .received).messages + depth == 301 && before.isBalanced)
      reader.kill()
      let after = watch.picture { $0.all("victim", .received).first?.hasEnded == true }
      #expect(after.counts("victim", .received).dropped(.left) == depth)
      #expect(after.isBalanced && after.channels.first?.pending == 0)
      let later = watch.picture { $0.all("victim", .received).isEmpty }
      #expect(later.counts("watcher", .sent).messages == 301)
      agent.close()
    }
  }

  @Test("killing the router stops no figure, and the next router is found again")
  func routerKilled() throws {
    try Watchdog.bounding("counters without a router", seconds: 120) {
      var bus = try ClientBus()
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      let watch = try bus.agent("top").watchCounters()
      var reader = try listener.reader("ticks", mode: .lossless)
      var publisher = try writer.publisher(on: "ticks")
      var next: UInt64 = 0
      func exchange() throws -> BusDelta {
        for _ in 0..<100 {
          try publisher.publish("ticks", numbered(Int(next)))
          next += 1
        }
        #expect(try reader.take(100).count == 100)
        return watch.picture()
      }
      _ = try exchange()
      _ = watch.picture { $0.agents == 2 }
      #expect(watch.routerGoneNs == nil)
      for _ in 0..<2 {
        try bus.endRouter(SIGKILL)
        while watch.routerGoneNs == nil { breathe() }
        let picture = try exchange()
        #expect(picture.counts("writer", .sent).messages == next)
        #expect(picture.counts("listener", .received).messages == next && picture.isBalanced)
        try bus.startRouter()
        while watch.routerGoneNs != nil || !writer.isConnected { breathe() }
        #expect(try exchange().counts("listener", .received).messages == next)
      }
      let newcomer = try bus.agent("newcomer")
      var other = try newcomer.publisher(on: "alerts")
      try other.publish("alerts", [1])
      let picture = watch.picture { $0.all("newcomer", .sent).count == 1 }
      #expect(picture.counts("writer", .sent).messages == next)
      #expect(picture.counts("newcomer", .sent).messages == 1 && picture.isBalanced)
    }
  }

  @Test("who asks for a second watch without a router gets the first, and the next router is asked")
  func secondWatch() throws {
    try Watchdog.bounding("a second watch without a router", seconds: 120) {
      var bus = try ClientBus()
      let leaver = try bus.agent("leaver")
      var stream = try leaver.publisher(on: "ticks")
      try stream.publish("ticks", [1])
      let top = try bus.agent("top")
      let first = try top.watchCounters()
      _ = first.picture { $0.all("leaver", .sent).count == 1 }
      try bus.endRouter(SIGKILL)
      while first.routerGoneNs == nil { breathe() }
      let second = try top.watchCounters()
      #expect(second === first)
      leaver.close()
      try bus.startRouter()
      let newcomer = try bus.agent("newcomer")
      var other = try newcomer.publisher(on: "alerts")
      try other.publish("alerts", [1])
      // Whoever ended in between is not shown for ever, whoever came is.
      _ = first.picture { $0.all("newcomer", .sent).count == 1 && $0.all("leaver", .sent).isEmpty }
    }
  }

  @Test("a hung router stops no figure either")
  func routerHung() throws {
    try Watchdog.bounding("counters with a hung router", seconds: 60) {
      let dir = try TemporaryDirectory("counters")
      let bus = try CLIBus(dir.path)
      let (agent, watch) = try watcher(dir.path)
      var publisher = try agent.publisher(on: "ticks")
      try publisher.publish("ticks", [1])
      _ = watch.picture { $0.counts("watcher", .sent).messages == 1 }
      kill(bus.routerPID, SIGSTOP)
      for _ in 0..<100 { try publisher.publish("ticks", [1]) }
      let picture = watch.picture()
      kill(bus.routerPID, SIGCONT)
      #expect(picture.counts("watcher", .sent).messages == 101)
      agent.close()
    }
  }

  @Test("a segment full of lies harms no viewer, and bcs stat says whose balance is broken")
  func hostileSegment() throws {
    try Watchdog.bounding("hostile counters", seconds: 120) {
      let router = try RouterProcess()
      let directory = String(router.socket.dropLast("/router.sock".count))
      let liar = try router.connect()
      _ = try liar.register("liar")
      var random = Seed.announced(for: "hostile counters").generator()
      let segment = try TestSegment.counters(TestSegment.uuid("liar"), liar.incarnation) { bytes in
        for place in bytes.indices.dropFirst(512) {
          bytes[place] = UInt8.random(in: .min ... .max, using: &random)
        }
        for row in 0..<15 {
          let at = Int(BUS_COUNTERS_ROWS_OFFSET) + row * Int(BUS_COUNTERS_ROW_BYTES)
          bytes.replaceSubrange(at..<at + 4, with: [UInt8(1 + row % 3), 0, 0, 0])
          bytes.replaceSubrange(at + 8..<at + 12, with: [UInt8(1 + row % 2), 1, 0, 2])
          bytes.replaceSubrange(at + 40..<at + 48, with: Array("ev\u{1B}[2J\n".utf8).prefix(8))
          // Even: a row that says it is in the middle of a change is not judged.
          bytes[at + Int(BUS_COUNT_VERSION)] &= 0xFE
        }
      }
      defer { segment.close() }
      let frame = AddCountersFrame(part: 0, segmentBytes: segment.bytes)
      #expect(try liar.ask(.addCounters(frame), [segment.descriptor]).last?.frame == .done)
      let (agent, watch) = try watcher(directory)
      for _ in 0..<100 { _ = watch.picture() }
      #expect(watch.look().first?.name == "liar")
      #expect(!watch.picture().isBalanced)
      agent.close()
      for words in [["stat"], ["top", "--once"], ["stat", "--json"]] {
        let result = try Child.run(
          try Programs.path("bcs"), words + ["--dir", directory, "--interval", "0.1"])
        #expect(result.exit == .code(words == ["top", "--once"] ? 0 : 1), "\(result)")
        let control = result.stdout.unicodeScalars.contains { $0.value < 0x20 && $0 != "\n" }
        #expect(!control && !result.stdout.isEmpty)
        #expect(words[0] == "top" || result.stderr.contains("balance"))
      }
      let text = try Child.run(
        try Programs.path("bcs"), ["metrics", "--dir", directory, "--interval", "0.1"])
      #expect(text.succeeded && text.stdout.contains("bcs_channel_balanced"))
    }
  }

  @Test("agents that end while nobody looks leave a bounded amount of memory, and are counted")
  func endsUnseen() throws {
    try Watchdog.bounding("ends that nobody sees", seconds: 120) {
      let router = try RouterProcess()
      let directory = String(router.socket.dropLast("/router.sock".count))
      let (agent, watch) = try watcher(directory)
      let (agents, sizes) = (30, (0..<4).map { UInt64(CounterShape(part: $0).bytes) })
      // As many as have room, and no look that would forget one.
      let room = ClientLimits.own.endedCounterBytes / Int(sizes.reduce(0, +))
      for number in 0..<agents {
        let client = try router.connect()
        _ = try client.register("brief-\(number)")
        for (part, bytes) in sizes.enumerated() {
          let segment = try TestSegment.counters(
            TestSegment.uuid("brief-\(number)"), client.incarnation, part: UInt16(part),
            bytes: bytes)
          defer { segment.close() }
          let frame = AddCountersFrame(part: UInt16(part), segmentBytes: bytes)
          #expect(try client.ask(.addCounters(frame), [segment.descriptor]).last?.frame == .done)
        }
        client.close()
      }
      while watch.endedUnseen < agents - room { breathe() }
      let mapped = try Self.mappings(ofBytes: sizes[3])
      #expect(mapped <= room, "\(mapped) of \(agents)")
      #expect(watch.look().count(where: \.hasEnded) <= room)
      agent.close()
    }
  }

  /// How many memory files of this size, made by tests, are mapped in this process.
  private static func mappings(ofBytes bytes: UInt64) throws -> Int {
    try String(contentsOfFile: "/proc/self/maps", encoding: .utf8).split(separator: "\n").count {
      let ends = $0.prefix { $0 != " " }.split(separator: "-").compactMap { UInt64($0, radix: 16) }
      return $0.contains("memfd:test") && ends.count == 2 && ends[1] - ends[0] == bytes
    }
  }

  @Test("only a sound segment of the agent's own counters is taken")
  func refusedSegments() throws {
    let router = try RouterProcess()
    let client = try router.connect()
    _ = try client.register("agent")
    let own = TestSegment.uuid("agent")
    func refusal(_ segment: TestSegment, part: UInt16 = 0) throws -> BusErrorCode? {
      defer { segment.close() }
      let frame = AddCountersFrame(part: part, segmentBytes: segment.bytes)
      return try client.refusal(.addCounters(frame), [segment.descriptor])
    }
    let other = TestSegment.uuid("other")
    #expect(try refusal(.counters(other, client.incarnation)) == .invalid)
    #expect(try refusal(.counters(own, Incarnation(1))) == .invalid)
    #expect(try refusal(.counters(own, client.incarnation, sealed: false)) == .invalid)
    #expect(try refusal(.counters(own, client.incarnation, bytes: 32768)) == .invalid)
    #expect(try refusal(.counters(own, client.incarnation, part: 1, bytes: 98304)) == .invalid)
    #expect(try refusal(.reader(own, client.incarnation)) == .invalid)
    for place in [0, 4, 6, 8, 40, 44] {
      let broken = try TestSegment.counters(own, client.incarnation) { $0[place] ^= 1 }
      #expect(try refusal(broken) == .invalid, "byte \(place)")
    }
    #expect(try refusal(.counters(own, client.incarnation)) == nil)
  }
}

extension TestSegment {
  /// A segment of counters, well-formed but for what `change` does to its bytes.
  static func counters(
    _ agent: BusUUID, _ incarnation: Incarnation, part: UInt16 = 0,
    bytes: UInt64 = UInt64(BUS_COUNTERS_BYTES_FIRST), sealed: Bool = true,
    _ change: (inout [UInt8]) -> Void = { _ in }
  ) throws -> TestSegment {
    var raw = bus_counters_identity_t()
    raw.magic = BUS_COUNTERS_MAGIC
    raw.layout_version = UInt16(BUS_LAYOUT_VERSION)
    raw.part = part
    raw.segment_bytes = bytes
    raw.incarnation = incarnation.value
    raw.rows = UInt32(bytes / UInt64(BUS_COUNTERS_BYTES_PER_ROW) - 1)
    raw.histograms = UInt32(bytes / UInt64(BUS_COUNTERS_BYTES_PER_HISTOGRAM))
    var all = [UInt8](repeating: 0, count: Int(bytes))
    unsafe withUnsafeBytes(of: raw) { from in
      for place in from.indices { all[place] = unsafe from[place] }
    }
    for (place, byte) in agent.bytes.enumerated() { all[16 + place] = byte }
    all[264] = 15
    change(&all)
    return try make(all, bytes: bytes, sealed: sealed)
  }
}
