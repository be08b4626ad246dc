import BinaryComm
import BusLog
import BusTestSupport
import BusWire
import Glibc
import ProcessSupport
import Testing

@Suite("A publisher that closes while its readers join")
struct PublisherCloseTests {
  @Test("every reader that subscribed before gets everything")
  func atOnce() throws {
    try Watchdog.bounding("closing at once", seconds: 120) {
      let bus = try ClientBus()
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      // So many joins are under way when the publisher closes that one meets every step of it.
      let crowd = try (0..<40).map { _ in
        Follower(try listener.reader("alerts.>", mode: .lossless))
      }
      for round in 1...200 {
        var publisher = try writer.publisher(on: "alerts")
        for value in 0..<3 { try publisher.publish("alerts.disk", numbered(value)) }
        // When one has been let in, others are on their way.
        if round % 4 != 0 { try crowd[round % 40].meet() }
        publisher.close()
        for reader in crowd {
          try reader.follow { numbers, seen in
            guard seen.ended == round else { return false }
            #expect(numbers == [0, 1, 2] && seen.gaps == 0)
            return true
          }
        }
      }
    }
  }

  @Test("its agent closes while it is made: what it publishes afterwards is refused")
  func agentCloses() throws {
    try Watchdog.bounding("closing while a publisher is made", seconds: 120) {
      let bus = try ClientBus()
      var random = Seed.announced(for: "closing while a publisher is made").generator()
      for round in 0..<300 {
        let writer = try bus.agent("writer\(round)")
        let (isClosed, isAsking) = (Flag(), Flag())
        let worker = Worker {
          isAsking.raise()
          // One that comes too late is not made.
          guard var publisher = try? writer.publisher(on: "ticks") else { return 0 }
          isClosed.wait()
          let error = failure { () throws(BusError) in
            try publisher.tryPublish("ticks", numbered(1))
          }
          return error?.code == .closed ? 0 : 1
        }
        isAsking.wait()
        // So that the end meets every step of the answer's way.
        for _ in 0..<Int.random(in: 0..<300, using: &random) { sched_yield() }
        writer.close()
        isClosed.raise()
        #expect(try worker.join() == 0, "round \(round)")
      }
    }
  }

  @Test("and refuses them: they hear of the end, and of no eviction")
  func refusal() throws {
    try Watchdog.bounding("refusing after the close", seconds: 60) {
      let scene = try Refusal()
      var reader = try scene.reader()
      try scene.refuse(.afterClose)
      let taken = try reader.poll { _ in }
      let ended = reader.statistics.ended
      #expect(taken == 0 && ended == 1)
    }
  }

  @Test(
    "or refuses them before it closes, or never does: they are told once", arguments: [true, false])
  func turnedAway(closes: Bool) throws {
    try Watchdog.bounding("refusing, then closing: \(closes)", seconds: 60) {
      let scene = try Refusal()
      var reader = try scene.reader()
      #expect(reader.pendingPublishers == [])
      try scene.refuse(closes ? .beforeClose : .withoutClose)
      let error = failure { () throws(BusError) in _ = try reader.poll { _ in } }
      #expect(error?.code == .evicted)
      #expect(error?.detail.contains("feed did not let this reader in: too slow") == true)
      #expect(reader.pendingPublishers == [])
      let taken = try reader.poll { _ in }
      #expect(taken == 0)
      #expect(try scene.listener.query(.attachments).isEmpty)
    }
  }
}

/// A publisher of a test's own making, which refuses the one reader that joins.
private final class Refusal {
  let listener: Agent
  private let bus: ClientBus
  private let feed: RouterClient

  init() throws {
    bus = try ClientBus()
    listener = try bus.agent("listener")
    feed = try RouterClient("\(bus.directory)/router.sock")
    _ = try feed.register("feed")
  }

  func reader() throws -> Reader { try listener.reader("news", mode: .lossless) }

  enum Moment { case afterClose, beforeClose, withoutClose }

  /// Opens a stream, waits for the join and refuses it.
  func refuse(_ moment: Moment) throws {
    let log = try TestSegment.log(
      TestSegment.uuid("feed"), feed.incarnation, channel: "news", capacity: 16384)
    defer { log.close() }
    let answer = try feed.ask(log.addLog("news"), [log.descriptor]).last?.frame
    guard case .logAdded(let added)? = answer else { throw ClientFailure.closed }
    var asked: AttachmentID?
    while asked == nil {
      if case .join(let join) = try feed.receive().frame { asked = join.attachment }
    }
    let attachment = try #require(asked)
    let close = AgentFrame.closeStream(CloseStreamFrame(stream: added.stream))
    if moment == .afterClose { try feed.say(close) }
    try feed.say(.joinRefused(JoinRefusedFrame(attachment: attachment, reason: "too slow")))
    if moment == .beforeClose { try feed.say(close) }
    // Frames come in order: after these two answers all that follows the refusal has arrived.
    _ = try feed.ask(.query(QueryFrame(subject: .router)))
    _ = try listener.query(.router)
  }
}

/// A reader that can be kept in an array.
private final class Follower {
  private var reader: Reader

  init(_ reader: consuming Reader) { self.reader = reader }

  private var numbers: [Int] = []

  /// Polls until the next stream is there.
  func meet() throws {
    while reader.statistics.streams == 0 {
      _ = try reader.poll { numbers.append(number($0.payload)) }
    }
  }

  /// Polls until `isDone`, which is given the numbers taken since the last call.
  func follow(_ isDone: ([Int], ReaderStatistics) -> Bool) throws {
    defer { numbers = [] }
    while !isDone(numbers, reader.statistics) {
      if try reader.poll({ numbers.append(number($0.payload)) }) == 0 { breathe() }
    }
  }
}
