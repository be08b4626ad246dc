import BinaryComm
import BusLog
import BusTestSupport
import BusWire
import Testing

@Suite("A publisher that closes while its readers join")
struct ClientCloseTests {
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
      for round in 1...60 {
        var publisher = try writer.publisher(on: "alerts")
        for value in 0..<3 { try publisher.publish("alerts.disk", numbered(value)) }
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

  @Test("and refuses them: they hear of the end, and of no eviction")
  func refusal() throws {
    try Watchdog.bounding("refusing after the close", seconds: 60) {
      let bus = try ClientBus()
      let listener = try bus.agent("listener")
      var reader = try listener.reader("news", mode: .lossless)
      let feed = try RouterClient("\(bus.directory)/router.sock")
      _ = try feed.register("feed")
      let log = try TestSegment.log(
        TestSegment.uuid("feed"), feed.incarnation, channel: "news", capacity: 16384)
      defer { log.close() }
      let answer = try feed.ask(log.addLog("news"), [log.descriptor]).last?.frame
      guard case .logAdded(let added)? = answer else {
        Issue.record("the log was not taken")
        return
      }
      var asked: JoinFrame?
      while asked == nil {
        if case .join(let join) = try feed.receive().frame { asked = join }
      }
      let join = try #require(asked)
      try feed.say(.closeStream(CloseStreamFrame(stream: added.stream)))
      try feed.say(
        .joinRefused(JoinRefusedFrame(attachment: join.attachment, reason: "it has closed")))
      // Frames come in order: after these two answers all that follows the refusal has arrived.
      _ = try feed.ask(.query(QueryFrame(subject: .router)))
      _ = try listener.query(.router)
      let taken = try reader.poll { _ in }
      let ended = reader.statistics.ended
      #expect(taken == 0 && ended == 1)
    }
  }
}

/// A reader that can be kept in an array.
private final class Follower {
  private var reader: Reader

  init(_ reader: consuming Reader) { self.reader = reader }

  /// Polls until `isDone`, which is given the numbers taken since the call.
  func follow(_ isDone: ([Int], ReaderStatistics) -> Bool) throws {
    var numbers: [Int] = []
    while !isDone(numbers, reader.statistics) {
      if try reader.poll({ numbers.append(number($0.payload)) }) == 0 { breathe() }
    }
  }
}
