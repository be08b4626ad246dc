import BusLog
import BusMemory
import BusWire
import Testing

/// Three readers, one of each mode, that follow a writer step by step.
private struct Followers {
  let lossless: Subject
  let lossy: Subject
  let latest: Subject

  init(_ stage: Stage) throws {
    lossless = try Subject(stage, .lossless, attachment: 1)
    lossy = try Subject(stage, .lossy, attachment: 2)
    latest = try Subject(stage, .latest, attachment: 3)
  }

  /// Polls each reader for exactly the message `number`; what is wrong, or nil.
  func fault(number: UInt64, count: Int) -> String? {
    var faults: [String] = []
    for reader in [lossless, lossy, latest] {
      let taken = reader.poll { record in
        if let fault = Message.fault(record, number: number, count: count) { faults.append(fault) }
        if record.gapBefore != 0 { faults.append("a gap of \(record.gapBefore)") }
      }
      if taken != 1 { faults.append("\(taken) taken by \(reader.reader.mode)") }
    }
    return faults.first
  }
}

@Suite("Layouts of records in a ring")
struct LayoutTests {
  @Test(
    "a record of any size at any place of the ring is read as it was written",
    arguments: [UInt64(16384), 32768, 65536])
  func everyPhase(capacity: UInt64) throws {
    let stage = try Stage()
    let pen = try Pen(stage, capacity: capacity)
    let followers = try Followers(stage)
    let quarter = Int(capacity / 4)
    let most = Int(LogShape.recordBytesMax(capacity: capacity)) - 64
    let counts = [0, 1, 63, 64, 65, 960, 4032, quarter / 2, quarter - 65, quarter, most]
    var number: UInt64 = 0
    var cases = 0
    func write(_ count: Int) throws {
      #expect(pen.send(number, count: count))
      let fault = followers.fault(number: number, count: count)
      if let fault { Issue.record("message \(number) of \(count) bytes: \(fault)") }
      number += 1
    }
    for count in counts {
      for phase in stride(from: UInt64(0), to: capacity, by: 64) {
        // Filler brings the pen to the phase, in records that themselves never wrap.
        while pen.position % capacity != phase {
          let here = pen.position % capacity
          let distance = here < phase ? phase - here : capacity - here
          try write(Int(min(distance, UInt64(quarter))) - 64)
        }
        try write(count)
        cases += 1
      }
    }
    print("layouts of \(capacity): \(cases) cases, \(number) messages, 3 readers")
    #expect(cases == counts.count * Int(capacity / 64))
    #expect(followers.lossless.received == number && followers.lossy.received == number)
    #expect(followers.lossy.gaps == 0 && followers.latest.reader.superseded == 0)
  }

  @Test("a payload of a quarter of the ring fits; one beyond the record's limit changes nothing")
  func tooLarge() throws {
    let stage = try Stage()
    let pen = try Pen(stage, capacity: 16384)
    let followers = try Followers(stage)
    #expect(pen.fits(4096))
    #expect(!pen.append(0, count: 4289))
    #expect(!pen.fits(4289))
    #expect(pen.fits(4288))
    #expect(pen.send(0, count: 4288))
    #expect(followers.fault(number: 0, count: 4288) == nil)
  }

  @Test("a reader that joins while the largest records are written starts where it should")
  func joinBetweenLargest() throws {
    let capacity: UInt64 = 16384
    let most = Int(LogShape.recordBytesMax(capacity: capacity)) - 64
    var padded = 0
    // The longest way from the newest entry of the index to the pen: short messages up to any place
    // of the ring, a record of the largest size, perhaps padding, and one more under the pen.
    for short in 0..<capacity / 64 {
      let stage = try Stage()
      let pen = try Pen(stage, capacity: capacity)
      for number in 0..<short { #expect(pen.send(number, count: 0)) }
      #expect(pen.send(short, count: most))
      let committed = pen.writer.committedPosition
      #expect(pen.append(short + 1, count: most))
      #expect(pen.writer.committedPosition == committed)
      padded += pen.position - committed > UInt64(most + 64) ? 1 : 0
      let (start, slot) = try stage.join(1, lossless: true)
      #expect(start.position == committed && start.sequence == short + 1, "after \(short)")
      pen.writer.publish()
      var reader = try LogReader(stage.logs[0], mode: .lossless, start: start, slot: slot)
      var fault: String? = "nothing came"
      let taken = reader.poll(limit: 2) { record in
        fault = Message.fault(record, number: short + 1, count: most)
      }
      #expect(taken == 1 && fault == nil, "after \(short)")
    }
    #expect(padded > 0)
  }

  @Test("a payload beyond the wire's limit is refused however large the ring is")
  func payloadLimit() throws {
    let stage = try Stage()
    let pen = try Pen(stage, capacity: 64 << 20)
    let reader = try Subject(stage, .lossless, attachment: 1)
    let over = WireLimit.payloadBytesMax + 1
    #expect(pen.fits(over))
    #expect(!pen.place(0, count: over) { _ in })
    #expect(pen.place(0, count: over - 1) { _ in })
    pen.writer.publish()
    #expect(reader.poll { _ in } == 1)
    #expect(reader.state == .open)
  }

  @Test("extension items lie before the payload and are lent apart")
  func items() throws {
    let stage = try Stage()
    let pen = try Pen(stage, capacity: 16384)
    var items = MessageExtension()
    items.topic = "alerts.disk"
    items.deadlineNs = 5_000
    let encoded = try items.encoded()
    for mode in ReadMode.allCases {
      let reader = try Subject(stage, mode, attachment: UInt64(mode.rawValue))
      for count in [0, 1, 7, 8, 100, 4032 - encoded.count] {
        let payload = Message.bytes(9, count: count)
        let isIn = unsafe pen.writer.append(
          Message.head(9, topic: 1), stamp: 9, extension: encoded.span.bytes,
          payload: payload.span.bytes)
        #expect(isIn)
        pen.writer.publish()
        let taken = reader.poll { record in
          let found = try? MessageExtension(decoding: record.items)
          let fault = Message.contentFault(record, number: 9, count: count, topic: 1)
          #expect(found == items && fault == nil)
        }
        #expect(taken == 1)
      }
    }
    let odd = [UInt8](repeating: 0, count: 12)
    let refused = unsafe pen.writer.append(
      Message.head(0, topic: 0), stamp: 0, extension: odd.span.bytes, payload: odd.span.bytes)
    #expect(!refused, "an extension that is no multiple of 8")
  }

  @Test("what a closure leaves unwritten is zero, and one that throws appends nothing")
  func inPlace() throws {
    struct Stop: Error {}
    let stage = try Stage()
    let pen = try Pen(stage, capacity: 16384)
    let reader = try Subject(stage, .lossless, attachment: 1)
    var number: UInt64 = 0
    // Two laps, so that the bytes under the pen are old ones and not the kernel's zeros.
    while pen.position < 40_000 {
      #expect(throws: Stop.self) {
        _ = try pen.place(99, count: 1000) { (out) throws(Stop) in
          unsafe out.append(repeating: 0xEE, count: 1000, as: UInt8.self)
          throw Stop()
        }
      }
      let isIn = pen.place(number, count: 1000) { out in
        unsafe out.append(repeating: 0xAB, count: 10, as: UInt8.self)
      }
      #expect(isIn)
      pen.writer.publish()
      let taken = reader.poll { record in
        let sequence = record.sequence
        #expect(sequence == number)
        let copy = unsafe record.payload.withUnsafeBytes { unsafe Array($0) }
        let zeros = [UInt8](repeating: 0, count: 990)
        #expect(copy == [UInt8](repeating: 0xAB, count: 10) + zeros)
      }
      #expect(taken == 1)
      number += 1
    }
    #expect(pen.appended == number && reader.received == number)
  }

  @Test("shapes outside the limits, and channels without a fit name, are refused")
  func shapes() throws {
    for capacity in [UInt64(0), 1, 8192, 16383, 24576, 1 << 31, .max] {
      #expect(LogShape(capacity: capacity) == nil)
    }
    #expect(LogShape(capacity: 16384, topicsBytes: 100) == nil)
    #expect(LogShape(capacity: 16384, topicsBytes: (1 << 20) + 4096) == nil)
    for length in [0, 128, 70_000] {
      var identity = try Stage.identity(capacity: 16384)
      identity.channel = String(repeating: "c", count: length)
      #expect(throws: MemoryError.layout(field: "channel length", value: UInt64(length))) {
        _ = try NewLog(identity)
      }
    }
  }
}
