import BinaryComm
import BusCounters
import BusTestSupport
import BusWire
import Glibc
import ProcessSupport
import Testing

@Suite("Messengers")
struct MessengerTests {
  @Test("an urgent message overtakes a normal lane that is full")
  func urgent() throws {
    try Watchdog.bounding("urgent lane", seconds: 60) {
      var pair = try Pair()
      let recipient = try pair.openLanes()
      for value in 1...1000 { try pair.left.out.send(recipient, numbered(value, bytes: 64)) }
      pair.left.flush()
      try pair.left.out.send(recipient, numbered(-1), SendOptions(priority: .emergency))
      pair.left.flush()
      try pair.take(limit: 1)
      #expect(pair.numbers == [-1] && pair.arrived.first?.lane == .urgent)
      try pair.until(arrived: 1001)
      #expect(pair.numbers == [-1] + Array(1...1000))
    }
  }

  @Test("a cancel that arrives before its request keeps it from being started")
  func tombstone() throws {
    try Watchdog.bounding("tombstone", seconds: 60) {
      var pair = try Pair()
      let recipient = try pair.openLanes()
      let doomed = try pair.left.out.request(recipient, numbered(1))
      _ = try pair.left.out.request(recipient, numbered(2))
      pair.left.flush()
      try pair.left.out.cancel(doomed)
      pair.left.flush()
      try pair.until(arrived: 1)
      #expect(pair.numbers == [2])
      try pair.until(ended: 1)
      #expect(pair.failures.map(\.code) == [.cancelled])
    }
  }

  @Test("a cancel of a request at work reaches the responder, which says what came of it")
  func cancelled() throws {
    try Watchdog.bounding("cancel", seconds: 60) {
      var pair = try Pair()
      let recipient = try pair.openLanes()
      let id = try pair.left.out.request(recipient, numbered(1))
      try pair.until(arrived: 1)
      try pair.left.out.cancel(id)
      try pair.until(arrived: 2)
      #expect(pair.arrived.map(\.kind) == [.request, .cancel])
      #expect(pair.arrived[1].correlationId == pair.arrived[0].correlationId)
      try pair.right.out.fail(pair.arrived[0], .cancelled("stopped"))
      try pair.until(ended: 1)
      #expect(pair.failures == [.cancelled("stopped")])
      #expect(failure { () throws(BusError) in try pair.left.out.cancel(id) }?.code == .invalid)
    }
  }

  @Test("a cancel that comes too late changes nothing: the reply was first")
  func finishedFirst() throws {
    try Watchdog.bounding("finished first", seconds: 60) {
      var pair = try Pair()
      let recipient = try pair.openLanes()
      let id = try pair.left.out.request(recipient, numbered(1))
      try pair.until(arrived: 1)
      try pair.right.out.reply(to: pair.arrived[0], numbered(11))
      pair.right.flush()
      try pair.left.out.cancel(id)
      try pair.until(ended: 1)
      #expect(pair.replies == [11] && pair.failures == [])
    }
  }

  @Test("a second reply to the same request is dropped and counted")
  func unknownCorrelation() throws {
    try Watchdog.bounding("unknown correlation", seconds: 60) {
      var pair = try Pair()
      let recipient = try pair.openLanes()
      _ = try pair.left.out.request(recipient, numbered(1))
      try pair.until(arrived: 1)
      try pair.right.out.reply(to: pair.arrived[0], numbered(11))
      try pair.right.out.reply(to: pair.arrived[0], numbered(12))
      while pair.left.statistics.drops[.unknownCorrelation] == nil {
        if try pair.hear() + pair.take() == 0 { usleep(200) }
      }
      #expect(pair.replies == [11])
      #expect(pair.left.statistics.drops == [.unknownCorrelation: 1])
    }
  }

  @Test("a request whose time is over is not started, and both sides say so")
  func expired() throws {
    try Watchdog.bounding("expired", seconds: 60) {
      var pair = try Pair()
      let recipient = try pair.openLanes()
      _ = try pair.left.out.request(recipient, numbered(1), SendOptions(timeoutNs: 1_000_000))
      pair.left.flush()
      usleep(5000)
      while pair.right.statistics.drops[.expired] == nil {
        if try pair.take() == 0 { usleep(200) }
      }
      #expect(pair.arrived.isEmpty)
      try pair.until(ended: 1)
      #expect(pair.failures.map(\.code) == [.timeout])
    }
  }

  @Test("what follows from a request has what is left of its time, and one hop more each time")
  func inherited() throws {
    try Watchdog.bounding("inheritance", seconds: 60) {
      var pair = try Pair()
      let there = try pair.openLanes()
      let back = try pair.right.out.agent("asker")
      let conversation = BusUUID(agentName: "a conversation")
      var context = MessageContext(conversation: conversation)
      _ = try pair.left.out.request(there, numbered(0), SendOptions(context: context))
      try pair.until(arrived: 1)
      let deadline = try #require(pair.arrived[0].context.deadlineNs)
      context = pair.arrived[0].context
      #expect(context.hops == 1 && context.conversation == conversation)
      // Each side passes the work on to the other, until somebody stops it.
      var refusal: BusError?
      for hop in 1...40 where refusal == nil {
        let options = SendOptions(timeoutNs: 3_600_000_000_000, context: context)
        do throws(BusError) {
          if hop % 2 == 1 {
            _ = try pair.right.out.request(back, numbered(hop), options)
          } else {
            _ = try pair.left.out.request(there, numbered(hop), options)
          }
        } catch {
          refusal = error
          break
        }
        context = try Self.next(&pair, atLeft: hop % 2 == 1)
        // The clocks' corrections of a second may lie between two hops.
        #expect(context.deadlineNs.map { $0 <= deadline + 1_000_000 } == true)
        #expect(context.hops == UInt8(hop + 1) && context.conversation == conversation)
      }
      #expect(refusal?.code == .tooManyHops && context.hops == WireLimit.hopsMax + 1)
    }
  }

  /// The context of the next request that arrives at one side.
  private static func next(_ pair: inout Pair, atLeft: Bool) throws -> MessageContext {
    var found: MessageContext?
    while found == nil {
      let left = try pair.left.poll { _, incoming, _ in
        if atLeft, incoming.kind == .request { found = incoming.context }
      }
      let right = try pair.right.poll { _, incoming, _ in
        if !atLeft, incoming.kind == .request { found = incoming.context }
      }
      if left + right == 0 { usleep(200) }
    }
    return try #require(found)
  }

  @Test("a conversation that sends too much is stopped until it is reset")
  func rateLimit() throws {
    try Watchdog.bounding("rate limit", seconds: 60) {
      let limit = ConversationLimit(messagesPerSecond: 0.000_1, burst: 5)
      var pair = try Pair(MessengerOptions(conversationLimit: limit))
      let recipient = try pair.openLanes()
      let conversation = BusUUID(agentName: "a loop")
      let options = SendOptions(context: MessageContext(conversation: conversation))
      for value in 0..<5 { try pair.left.out.send(recipient, numbered(value), options) }
      for _ in 0..<3 {
        let refusal = failure { () throws(BusError) in
          try pair.left.out.send(recipient, numbered(9), options)
        }
        #expect(refusal?.code == .rateLimited)
      }
      let tripped = pair.left.out.trippedConversations
      #expect(tripped.map(\.conversation) == [conversation])
      #expect(tripped.map(\.sent) == [5] && tripped.map(\.refused) == [3])
      // Others are not stopped with it.
      try pair.left.out.send(recipient, numbered(5))
      #expect(pair.left.out.reset(conversation) && !pair.left.out.reset(conversation))
      try pair.left.out.send(recipient, numbered(6), options)
      try pair.until(arrived: 7)
      #expect(pair.numbers == Array(0...6))
    }
  }

  @Test("a responder with no credit left is not asked; the next request waits for nobody")
  func credit() throws {
    try Watchdog.bounding("credit", seconds: 60) {
      var pair = try Pair(MessengerOptions(inFlight: 3))
      let recipient = try pair.openLanes()
      for value in 0..<3 { _ = try pair.left.out.request(recipient, numbered(value)) }
      let refusal = failure { () throws(BusError) in
        _ = try pair.left.out.request(recipient, numbered(3))
      }
      #expect(refusal == .wouldBlock)
      try pair.until(arrived: 3)
      try pair.right.out.reply(to: pair.arrived[0], numbered(10))
      try pair.until(ended: 1)
      _ = try pair.left.out.request(recipient, numbered(3))
      try pair.until(arrived: 4)
      #expect(pair.numbers == [0, 1, 2, 3])
    }
  }

  @Test("requests and replies larger than the first log go through larger ones")
  func growth() throws {
    try Watchdog.bounding("growth", seconds: 60) {
      var pair = try Pair()
      let recipient = try pair.openLanes()
      for size in [5000, 100_000, 900_000] {
        _ = try pair.left.out.request(recipient, numbered(size, bytes: size))
        try pair.until(arrived: 1)
        try pair.right.out.reply(to: pair.arrived[0], numbered(size + 1, bytes: size))
        try pair.until(ended: 1)
        #expect(pair.numbers == [size] && pair.replies == [size + 1])
        pair.arrived = []
        pair.numbers = []
        pair.replies = []
      }
    }
  }

  @Test("conversations go on without a router, and names are known to the next one")
  func restart() throws {
    try Watchdog.bounding("conversations over a restart", seconds: 60) {
      var pair = try Pair()
      try pair.right.answer("echo")
      let recipient = try pair.left.out.service("echo")
      try Self.talk(&pair, recipient, 50)
      try pair.bus.endRouter(SIGKILL)
      try Self.talk(&pair, recipient, 50)
      try pair.bus.startRouter()
      try Self.talk(&pair, recipient, 50)
      // Somebody who never met the former router finds the service with the next one.
      let third = try pair.bus.agent("third")
      var late = try third.messenger()
      let echo = try late.out.service("echo")
      _ = try late.out.request(echo, numbered(7), SendOptions(timeoutNs: 50_000_000_000))
      var heard: [Int] = []
      var failed: [BusError] = []
      while heard.isEmpty, failed.isEmpty {
        let taken = try late.poll { message, _, _ in
          heard.append(number(message.payload))
        } onFailure: { failure, _ in
          failed.append(failure.error)
        }
        if try taken + Self.echo(&pair) == 0 { usleep(200) }
      }
      #expect(heard == [7] && failed == [])
    }
  }

  /// Answers what waits at the right side.
  private static func echo(_ pair: inout Pair) throws -> Int {
    try pair.right.poll { message, incoming, out in
      if incoming.kind == .request { try? out.reply(to: incoming, message.payload) }
    }
  }

  /// So many requests, one after the other, each answered.
  private static func talk(_ pair: inout Pair, _ recipient: Recipient, _ count: Int) throws {
    for value in 0..<count {
      _ = try pair.left.out.request(
        recipient, numbered(value), SendOptions(timeoutNs: 50_000_000_000))
      while pair.replies.count + pair.failures.count == 0 {
        if try pair.hear() + echo(&pair) == 0 { usleep(50) }
      }
      #expect(pair.replies == [value] && pair.failures == [])
      pair.replies = []
      pair.failures = []
    }
  }

  @Test("a killed responder: what it sent arrives, what it did not answer fails")
  func gone() throws {
    try Watchdog.bounding("gone", seconds: 60) {
      var pair = try Pair()
      let recipient = try pair.openLanes()
      for value in 0..<3 { _ = try pair.left.out.request(recipient, numbered(value)) }
      try pair.until(arrived: 3)
      try pair.right.out.reply(to: pair.arrived[0], numbered(10))
      pair.right.flush()
      // Its lane to the asker must be there, else the reply still waits for it.
      while pair.right.statistics.responsesSent == 0 || pair.replies.isEmpty {
        if try pair.hear() + pair.take() == 0 { usleep(200) }
      }
      try pair.right.out.reply(to: pair.arrived[1], numbered(11))
      pair.right.flush()
      pair.answerer.close()
      while pair.replies.count + pair.failures.count < 3 {
        if try pair.hear() == 0 { usleep(200) }
      }
      #expect(pair.replies == [10, 11])
      #expect(pair.failures.map(\.code) == [.peerDied])
    }
  }

  @Test("a responder that closes right after its first reply has replied")
  func closesAtOnce() throws {
    try Watchdog.bounding("closing after a reply", seconds: 60) {
      for _ in 0..<20 {
        var pair = try Pair()
        let recipient = try pair.openLanes()
        _ = try pair.left.out.request(recipient, numbered(1))
        try pair.until(arrived: 1)
        // The log to the asker is made for this reply.
        try pair.right.out.reply(to: pair.arrived[0], numbered(11))
        pair.right.close()
        while pair.replies.count + pair.failures.count < 1 {
          if try pair.hear() == 0 { usleep(200) }
        }
        #expect(pair.replies == [11] && pair.failures == [])
      }
    }
  }
}
