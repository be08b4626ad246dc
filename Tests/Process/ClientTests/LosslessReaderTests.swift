import BinaryComm
import BusLog
import BusTestSupport
import BusWire
import ProcessSupport
import Testing

@Suite("A lossless reader")
struct LosslessReaderTests {
  @Test("gets everything in order: copied, in place, by name and in batches")
  func everything() throws {
    try Watchdog.bounding("lossless order", seconds: 60) {
      let bus = try ClientBus()
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      var reader = try listener.reader("ticks.>", mode: .lossless)
      var publisher = try writer.publisher(on: "ticks")
      let euro = try publisher.topic("ticks.euro")
      var next = 0
      for _ in 0..<50 {
        for _ in 0..<10 {
          try publisher.publish(euro, numbered(next).raw)
          let value = next + 1
          try publisher.publish(euro, count: 8) { unsafe $0.append(value, as: Int.self) }
          try publisher.publish("ticks.pound", numbered(next + 2))
          next += 3
        }
        for _ in 0..<10 {
          try publisher.append(euro, numbered(next).raw)
          let value = next + 1
          try publisher.append(euro, count: 8) { unsafe $0.append(value, as: Int.self) }
          next += 2
        }
        publisher.flush()
        let taken = try reader.take(50)
        #expect(taken == Array(next - 50..<next))
      }
      let published = publisher.published
      let seen = reader.statistics
      #expect(published == UInt64(next) && seen.received == UInt64(next))
      #expect(seen.gaps == 0 && seen.forged == 0 && seen.streams == 1)
    }
  }

  @Test("learns topic, publisher, sequence and payload of each message")
  func details() throws {
    try Watchdog.bounding("message details", seconds: 60) {
      let bus = try ClientBus()
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      var reader = try listener.reader("alerts.>", mode: .lossless)
      var publisher = try writer.publisher(on: "alerts")
      try publisher.publish("alerts.disk", Array("full".utf8))
      try publisher.publish("alerts.cpu", [])
      publisher.close()
      var messages: [ReceivedMessage] = []
      while reader.statistics.ended == 0 { messages += try reader.drain() }
      #expect(messages.map(\.topic) == ["alerts.disk", "alerts.cpu"])
      #expect(messages.map(\.payload) == [Array("full".utf8), []])
      #expect(messages.map(\.publisher) == ["writer", "writer"])
      #expect(messages.map(\.sequence) == [0, 1])
      #expect(messages.allSatisfy { $0.header.source == writer.id })
    }
  }

  @Test("sees an unflushed batch only at the flush")
  func batch() throws {
    try Watchdog.bounding("batch", seconds: 60) {
      let bus = try ClientBus()
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      var reader = try listener.reader("ticks", mode: .lossless)
      var publisher = try writer.publisher(on: "ticks")
      let topic = try publisher.topic("ticks")
      for value in 0..<20 { try publisher.append(topic, numbered(value).raw) }
      for _ in 0..<100 {
        let early = try reader.poll { _ in }
        #expect(early == 0)
      }
      publisher.flush()
      #expect(try reader.take(20) == Array(0..<20))
    }
  }

  @Test("that does not read makes tryPublish say wouldBlock, and reading makes room")
  func wouldBlock() throws {
    try Watchdog.bounding("wouldBlock", seconds: 60) {
      let bus = try ClientBus(["--stall", "600"])
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      var reader = try listener.reader("ticks", mode: .lossless)
      var publisher = try writer.publisher(on: "ticks", options: smallLog)
      var sent = 0
      var refusals = 0
      while refusals < 3 {
        let error = failure { () throws(BusError) in
          try publisher.tryPublish("ticks", numbered(sent, bytes: 200))
        }
        if let error {
          #expect(error == .wouldBlock)
          refusals += 1
        } else {
          #expect(refusals == 0, "room came from nowhere")
          sent += 1
        }
      }
      #expect((10..<100).contains(sent))
      #expect(try reader.take(sent) == Array(0..<sent))
      try publisher.tryPublish("ticks", numbered(sent))
      #expect(try reader.take(1) == [sent])
    }
  }

  @Test("that does not read makes publish(timeout:) say resourceExhausted; nothing is lost")
  func timeout() throws {
    try Watchdog.bounding("publish timeout", seconds: 60) {
      let bus = try ClientBus(["--stall", "600"])
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      var reader = try listener.reader("ticks", mode: .lossless)
      var publisher = try writer.publisher(on: "ticks", options: smallLog)
      var sent = 0
      var error: BusError?
      while error == nil {
        error = failure { () throws(BusError) in
          try publisher.publish(
            "ticks", numbered(sent, bytes: 200), timeout: .milliseconds(50))
        }
        if error == nil { sent += 1 }
      }
      #expect(error?.code == .resourceExhausted)
      #expect(error?.detail.contains("ticks") == true)
      #expect(try reader.take(sent) == Array(0..<sent))
      try publisher.publish("ticks", numbered(sent))
      #expect(try reader.take(1) == [sent])
    }
  }

  @Test("gets the largest payload, and one byte more is payloadTooLarge")
  func payloadSize() throws {
    try Watchdog.bounding("payload size", seconds: 60) {
      let bus = try ClientBus()
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      var reader = try listener.reader("ticks", mode: .lossless)
      var publisher = try writer.publisher(on: "ticks", options: smallLog)
      let most = publisher.payloadBytesMax
      // A quarter of the ring, and what a header leaves of a 64th.
      #expect(most == 4096 + 256 - 64)
      let error = failure { () throws(BusError) in
        try publisher.publish("ticks", numbered(1, bytes: most + 1))
      }
      #expect(error == .payloadTooLarge(bytes: most + 1, limit: most))
      let now = failure { () throws(BusError) in
        try publisher.tryPublish("ticks", numbered(1, bytes: most + 1))
      }
      #expect(now == .payloadTooLarge(bytes: most + 1, limit: most))
      try publisher.publish("ticks", numbered(7, bytes: most))
      var messages: [ReceivedMessage] = []
      while messages.isEmpty { messages = try reader.drain() }
      #expect(messages.map(\.payload) == [numbered(7, bytes: most)])
    }
  }

  @Test("is spared topics of another channel and malformed ones: both are invalid")
  func foreignTopic() throws {
    try Watchdog.bounding("foreign topic", seconds: 60) {
      let bus = try ClientBus()
      let writer = try bus.agent("writer")
      var publisher = try writer.publisher(on: "ticks")
      for name in ["alerts.disk", "ticks..euro", "", "ticks.*", "bcs.broadcast"] {
        let error = failure { () throws(BusError) in try publisher.publish(name, []) }
        #expect(error?.code == .invalid, "\(name)")
      }
      var other = try writer.publisher(on: "alerts")
      let foreign = try other.topic("alerts.disk")
      let error = failure { () throws(BusError) in
        try publisher.publish(foreign, count: 1 << 30) { _ in }
      }
      #expect(error?.code == .invalid)
      let published = publisher.published
      #expect(published == 0)
    }
  }
}
