import BusLog
import BusMemory
import BusTestSupport
import BusWire
import Testing

/// What was sent, in order: the oracle knows each message's size and topic by its number.
private struct Sent {
  var counts: [Int] = []
  var topics: [UInt64] = []
  var ends: [UInt64] = []
  var committed = 0
}

/// A reader of the model and what the oracle expects of it.
private final class Tracked {
  let subject: Subject
  let mode: ReadMode
  let attachment: UInt64
  let slot: CursorSlot
  let startNumber: UInt64
  var next: UInt64
  var delivered = 0
  var isOutOfWindow = false
  var newestOfTopic: [UInt64: UInt64] = [:]

  init(_ subject: Subject, attachment: UInt64, slot: CursorSlot, start: UInt64) {
    self.subject = subject
    mode = subject.reader.mode
    self.attachment = attachment
    self.slot = slot
    startNumber = start
    next = start
  }
}

/// One writer and many readers, driven by a random sequence of steps in one thread; nested steps
/// inside a poll stand for what other threads would do there.
private final class Model {
  let stage: Stage
  let pen: Pen
  var random: SplitMix64
  var sent = Sent()
  var readers: [Tracked] = []
  var waiting: [(start: FlowControl.Start, slot: CursorSlot, mode: ReadMode, attachment: UInt64)] =
    []
  var faults: [String] = []
  var attachments: UInt64 = 100
  var capacity: UInt64
  var topics = 1
  var counts: [String: Int] = [:]
  var depth = 0
  var isOver = false

  init(seed: UInt64) throws {
    random = SplitMix64(seed: seed)
    stage = try Stage()
    capacity = UInt64(16384) << UInt64.random(in: 0...1, using: &random)
    pen = try Pen(stage, capacity: capacity)
  }

  func did(_ what: String) { counts[what, default: 0] += 1 }

  func append() {
    let number = UInt64(sent.counts.count)
    let most = Int(LogShape.recordBytesMax(capacity: capacity)) - 64
    let count: Int
    switch Int.random(in: 0..<10, using: &random) {
    case 0: count = most
    case 1, 2: count = Int.random(in: 0...most, using: &random)
    case 3: count = 0
    default: count = Int.random(in: 0...300, using: &random)
    }
    let topic = UInt64.random(in: 0..<UInt64(topics), using: &random)
    guard pen.append(number, count: count, topic: topic) else {
      noteCommit()
      return did("blocked")
    }
    sent.counts.append(count)
    sent.topics.append(topic)
    sent.ends.append(pen.position)
    did("append")
    noteCommit()
    if Bool.random(using: &random) { publish() }
  }

  func publish() {
    pen.writer.publish()
    noteCommit()
  }

  /// A full batch is shown by the writer itself.
  func noteCommit() {
    let committed = pen.writer.committedPosition
    while sent.committed < sent.ends.count, sent.ends[sent.committed] <= committed {
      sent.committed += 1
    }
  }

  func join() throws {
    guard readers.count + waiting.count < 6 else { return }
    let mode = ReadMode.allCases[Int.random(in: 0..<3, using: &random)]
    attachments += 1
    let before = pen.writer.committedPosition
    let (start, slot) = try stage.join(attachments, lossless: mode == .lossless)
    if start.position != before { faults.append("join at \(start.position), not \(before)") }
    waiting.append((start, slot, mode, attachments))
    did("join \(mode)")
  }

  /// The joined reader opens its log only now, as when the answer took its time.
  func open() throws {
    guard !waiting.isEmpty else { return }
    let at = waiting.removeFirst()
    let reader = try LogReader(
      stage.logs[Int(at.start.generation)], mode: at.mode, start: at.start, slot: at.slot)
    readers.append(
      Tracked(
        Subject(reader), attachment: at.attachment, slot: at.slot, start: at.start.sequence))
  }

  func leave() {
    guard readers.count > 1 else { return }
    let at = Int.random(in: 0..<readers.count, using: &random)
    let reader = readers.remove(at: at)
    if Bool.random(using: &random) { stage.gate.leave(reader.attachment) }
    stage.segment.give(back: reader.slot)
    if Bool.random(using: &random) { stage.gate.leave(reader.attachment) }
    did("leave")
  }

  /// The publisher's side drops a lossless reader that does not know it yet.
  func evict() {
    guard
      let reader = readers.filter({ $0.mode == .lossless && !$0.isOutOfWindow }).randomElement(
        using: &random)
    else { return }
    stage.gate.leave(reader.attachment)
    reader.isOutOfWindow = true
    did("evict")
  }

  func rotate() throws {
    let next = UInt64(16384) << UInt64.random(in: 0...2, using: &random)
    if try pen.rotate(stage, capacity: next) {
      capacity = next
      did("rotate")
    }
    noteCommit()
  }

  func addTopic() {
    let name = "t\(topics).\(String(repeating: "x", count: topics % 100))"
    guard let index = pen.writer.topic(name) else { return did("topic table full") }
    if Int(index) + 1 != topics { faults.append("topic \(index) instead of \(topics - 1)") }
    topics += 1
    did("topic")
  }
}

extension Model {
  @discardableResult
  func poll(_ reader: Tracked) throws -> Int {
    var batch: [(number: UInt64, sequence: UInt64, gap: UInt64, fault: String?)] = []
    let limit =
      Int.random(in: 0..<10, using: &random) == 0 ? 100_000 : Int.random(in: 1...5, using: &random)
    let taken = reader.subject.poll(limit: limit) { record in
      let number = record.header.word2
      let isKnown = number < UInt64(sent.counts.count)
      if depth == 0, !isOver, Int.random(in: 0..<20, using: &random) == 0 {
        depth += 1
        for _ in 0..<Int.random(in: 1...60, using: &random) { append() }
        publish()
        depth -= 1
      }
      let fault =
        isKnown
        ? Message.fault(
          record, number: number, count: sent.counts[Int(number)],
          topic: sent.topics[Int(number)])
        : "message \(number) was never sent"
      batch.append((number, record.sequence, record.gapBefore, fault))
    }
    if taken > limit { faults.append("\(taken) of at most \(limit)") }
    if taken == 0, reader.subject.state == .evicted {
      if !batch.isEmpty { did("void batch") }
      if !reader.isOutOfWindow { faults.append("\(reader.attachment) evicted for no reason") }
      return 0
    }
    if taken != batch.count { faults.append("\(taken) taken, \(batch.count) handed over") }
    for item in batch {
      if let fault = item.fault { faults.append("\(reader.mode): \(fault)") }
      if reader.mode == .latest {
        noteLatest(reader, item.number)
      } else {
        if item.sequence != reader.next &+ item.gap {
          faults.append("\(reader.mode): \(item.sequence) after \(reader.next), gap \(item.gap)")
        }
        if reader.mode == .lossless, item.gap != 0 { faults.append("lossless with a gap") }
        reader.next = item.sequence + 1
      }
      reader.delivered += 1
    }
    if reader.subject.state == .corrupt {
      faults.append("\(reader.mode) says corrupt at \(reader.subject.reader.nextPosition)")
    }
    if taken == 0, reader.subject.state == .rotated {
      let next = Int(reader.subject.reader.identity.generation) + 1
      try reader.subject.reader.move(to: stage.logs[next])
      did("move")
      return 1
    }
    return taken
  }

  private func noteLatest(_ reader: Tracked, _ number: UInt64) {
    let topic = sent.topics[Int(number)]
    if let before = reader.newestOfTopic[topic], before >= number {
      faults.append("topic \(topic): \(number) after \(before)")
    }
    reader.newestOfTopic[topic] = number
  }

  func step() throws {
    switch Int.random(in: 0..<100, using: &random) {
    case 0..<40: append()
    case 40..<48: publish()
    case 48..<80:
      if let reader = readers.randomElement(using: &random) { try poll(reader) }
    case 80..<88: try join()
    case 88..<94: try open()
    case 94..<96: leave()
    case 96: evict()
    case 97..<99: addTopic()
    default: try rotate()
    }
  }

  /// The end: closed in order, or dead with what was not committed; every reader drains to it.
  func finish() throws {
    while !waiting.isEmpty { try open() }
    let isDeath = Bool.random(using: &random)
    var isClosed = false
    if isDeath {
      for _ in 0..<Int.random(in: 0...5, using: &random) { append() }
      did("death")
    } else {
      publish()
      isClosed = pen.writer.close()
      did(isClosed ? "close" : "close without room")
      if isClosed, pen.append(0, count: 0) { faults.append("an append after the close") }
    }
    isOver = true
    for reader in readers where reader.subject.state != .evicted {
      if !isClosed { reader.subject.reader.end(at: isDeath ? pen.writer.committedPosition : .max) }
      while try poll(reader) > 0 || reader.subject.reader.hasNews {}
      settle(reader)
    }
  }

  private func settle(_ reader: Tracked) {
    let state = reader.subject.state
    if state == .evicted && reader.isOutOfWindow { return }
    if state != .ended { faults.append("\(reader.mode) ends as \(state)") }
    let all = UInt64(sent.committed) - reader.startNumber
    let accounted =
      UInt64(reader.delivered) + reader.subject.gaps
      + reader.subject.reader.superseded
    if accounted != all {
      faults.append(
        "\(reader.mode): \(accounted) of \(all) accounted for, \(reader.subject.gaps) lost"
      )
    }
  }
}

@Suite("Random life of a stream")
struct ModelTests {
  @Test("every reader gets what its mode promises, whatever happens in which order")
  func random() throws {
    let seed = Seed.announced(for: "random life of a stream")
    var totals: [String: Int] = [:]
    try Watchdog.bounding("random life of a stream", seconds: 120) {
      for round in 0..<UInt64(300) {
        let model = try Model(seed: seed.value &+ round)
        for _ in 0..<600 {
          try model.step()
          if !model.faults.isEmpty { break }
        }
        if model.faults.isEmpty { try model.finish() }
        for (what, count) in model.counts { totals[what, default: 0] += count }
        if let fault = model.faults.first {
          Issue.record("round seed \(seed.value &+ round): \(fault)")
          return
        }
      }
    }
    print("random life: 300 rounds, \(totals.sorted { $0.key < $1.key })")
    let needed = [
      "append", "blocked", "join lossless", "join lossy", "join latest", "leave", "evict",
      "rotate", "move", "topic", "death", "close", "void batch",
    ]
    for what in needed { #expect(totals[what, default: 0] > 0, "never happened: \(what)") }
  }
}
