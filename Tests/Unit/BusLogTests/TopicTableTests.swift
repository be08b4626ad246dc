import BusLog
import BusMemory
import BusTestSupport
import Testing

@Suite("The topic table of a log")
struct TopicTableTests {
  private static let most = Int(LogTopicTable.topicsMax)

  /// A table of whatever a publisher writes: one-letter topics to its end, which is a mebibyte.
  private func hostile() throws -> (log: ForgedLog, table: LogTopicTable, count: Int) {
    let bytes = Int(LogShape.topicsBytesMax)
    let identity = try Stage.identity(capacity: 16384, topicsBytes: UInt32(bytes))
    let log = try ForgedLog(identity: identity)
    for number in 0..<bytes / 3 { put([1, 0, UInt8(ascii: "a")], at: 3 * number, of: log) }
    log.store(UInt64(bytes), at: log.hot + 264)
    let start = FlowControl.Start(generation: 0, position: 0, sequence: 0)
    let reader = try LogReader(log.peer(), mode: .lossy, start: start, slot: nil)
    return (log, LogTopicTable(of: reader), bytes / 3)
  }

  private func put(_ bytes: [UInt8], at offset: Int, of log: ForgedLog) {
    for (place, byte) in bytes.enumerated() {
      unsafe log.segment.base.storeBytes(
        of: byte, toByteOffset: 4096 + offset + place, as: UInt8.self)
    }
  }

  @Test("a writer gives ids to so many topics, a reader finds each, and the others have none")
  func writer() throws {
    let stage = try Stage()
    let pen = try Pen(stage, capacity: 16384, topicsBytes: 64 << 10)
    let subject = try Subject(stage, .lossy, attachment: 1)
    var table = LogTopicTable(of: subject.reader)
    #expect(table.topic(0) == nil)
    let ids = (0..<Self.most).map { pen.writer.topic("topic.\($0)") }
    #expect(ids == (0..<UInt32(Self.most)).map { $0 })
    #expect(pen.writer.topic("one.more") == nil && pen.writer.topic("topic.7") == 7)
    for id in [Self.most - 1, 0, 1, 63, 64, 65, 128, 4000, 2000] + Array(0..<Self.most) {
      let text = table.topic(UInt64(id))
      #expect(text == "topic.\(id)")
    }
    #expect(table.topic(LogTopicTable.topicsMax) == nil)
    #expect(table.topic(LogTopicTable.inExtension) == nil)
  }

  @Test("of a table that holds far more topics only so many are there")
  func bound() throws {
    var (log, table, count) = try hostile()
    #expect(count > 300_000)
    #expect(table.topic(LogTopicTable.topicsMax - 1) == "a" && table.topic(0) == "a")
    for id in [LogTopicTable.topicsMax, UInt64(count - 1), 1 << 32] as [UInt64] {
      #expect(table.topic(id) == nil)
    }
    withExtendedLifetime(log) {}
  }

  @Test("no topic lies behind one without a length, or of one too long; one of no text is none")
  func broken() throws {
    for length in [0, 128, 255] as [UInt8] {
      var (log, table, _) = try hostile()
      put([length], at: 3 * 100, of: log)
      #expect(table.topic(99) == "a" && table.topic(100) == nil && table.topic(101) == nil)
      #expect(table.topic(200) == nil && table.topic(1) == "a")
    }
    var (log, table, _) = try hostile()
    put([0xFF], at: 3 * 100 + 2, of: log)
    #expect(table.topic(100) == nil && table.topic(101) == "a")
  }
}
