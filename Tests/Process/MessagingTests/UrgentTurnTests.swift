import BinaryComm
import BusTestSupport
import BusWire
import Glibc
import ProcessSupport
import Testing

/// What is urgent goes first, and keeps nothing else from being read.
@Suite("Turns of urgent streams")
struct UrgentTurnTests {
  private static let urgently = SendOptions(priority: .critical)

  /// Puts this much into the lanes from left to right: urgent ones below zero, normal ones above.
  private func fill(
    _ pair: inout Pair, _ recipient: Recipient, urgent: Int, normal: Int
  ) throws {
    for value in 0..<urgent {
      try pair.left.out.send(recipient, numbered(-1 - value), Self.urgently)
    }
    for value in 0..<normal { try pair.left.out.send(recipient, numbered(1 + value)) }
    pair.left.flush()
  }

  @Test("a poll takes half of its limit from a full urgent lane, and then from the normal one")
  func halves() throws {
    try Watchdog.bounding("halves of a poll", seconds: 60) {
      var pair = try Pair()
      let recipient = try pair.openLanes()
      try fill(&pair, recipient, urgent: 100, normal: 10)
      try pair.take(limit: 64)
      #expect(pair.numbers == (1...32).map { -$0 } + Array(1...10))
      try pair.until(arrived: 110)
      #expect(pair.numbers.filter { $0 < 0 } == (1...100).map { -$0 })
    }
  }

  @Test("polls for one message each take an urgent one first, and then in turn")
  func single() throws {
    try Watchdog.bounding("polls for one message", seconds: 60) {
      var pair = try Pair()
      let recipient = try pair.openLanes()
      try fill(&pair, recipient, urgent: 10, normal: 3)
      for _ in 0..<6 { try pair.take(limit: 1) }
      #expect(pair.numbers == [-1, 1, -2, 2, -3, 3])
      // With nothing normal left each poll is for an urgent one.
      for _ in 0..<7 { try pair.take(limit: 1) }
      #expect(pair.numbers.suffix(7) == (4...10).map { -$0 })
    }
  }

  /// A sender whose lanes stay open.
  private final class Other {
    private let agent: Agent
    var messenger: Messenger

    init(_ agent: Agent) throws {
      self.agent = agent
      messenger = try agent.messenger()
    }
  }

  @Test("urgent streams that are idle cost the others neither a turn nor a share")
  func idle() throws {
    try Watchdog.bounding("idle urgent streams", seconds: 60) {
      var pair = try Pair()
      let recipient = try pair.openLanes()
      // Each opens its lane with one message, and says nothing more.
      var others: [Other] = []
      for number in 1...5 {
        let other = try Other(try pair.bus.agent("idle.\(number)"))
        others.append(other)
        let there = try other.messenger.out.agent("answerer")
        try other.messenger.out.send(there, numbered(1000 + number), Self.urgently)
        while !pair.numbers.contains(1000 + number) {
          _ = try other.messenger.poll { _, _, _ in }
          if try pair.take() == 0 { usleep(200) }
        }
      }
      try fill(&pair, recipient, urgent: 40, normal: 40)
      (pair.numbers, pair.arrived) = ([], [])
      for _ in 0..<10 { try pair.take(limit: 1) }
      #expect(pair.numbers.count { $0 < 0 } == 5 && pair.numbers.count == 10)
      pair.numbers = []
      try pair.take(limit: 16)
      #expect(pair.numbers.count { $0 < 0 } == 8 && pair.numbers.count == 16)
      withExtendedLifetime(others) {}
    }
  }

  @Test("urgent streams share what they have of a poll, and go round where it is not enough")
  func shares() throws {
    try Watchdog.bounding("shares of urgent streams", seconds: 60) {
      var pair = try Pair()
      let recipient = try pair.openLanes()
      let third = try pair.bus.agent("third")
      var other = try third.messenger()
      let there = try other.out.agent("answerer")
      try other.out.send(there, numbered(1000), Self.urgently)
      while !pair.numbers.contains(1000) {
        _ = try other.poll { _, _, _ in }
        if try pair.take() == 0 { usleep(200) }
      }
      try fill(&pair, recipient, urgent: 100, normal: 0)
      for value in 1...20 { try other.out.send(there, numbered(1000 + value), Self.urgently) }
      other.flush()
      (pair.numbers, pair.arrived) = ([], [])
      try pair.take(limit: 8)
      #expect(pair.numbers.count == 4 && pair.numbers.count { $0 > 1000 } == 2)
      pair.numbers = []
      // Half of the limit is one message: the streams have it in turn.
      for _ in 0..<8 { try pair.take(limit: 2) }
      #expect(pair.numbers.count == 8 && pair.numbers.count { $0 > 1000 } == 4)
      third.close()
    }
  }

  @Test("the time of a request ends while each poll finds something, however little")
  func deadline() throws {
    try Watchdog.bounding("a deadline among messages", seconds: 60) {
      var pair = try Pair()
      let recipient = try pair.openLanes()
      let back = try pair.right.out.agent("asker")
      _ = try pair.right.out.request(back, numbered(1), SendOptions(timeoutNs: 1_000_000))
      var failed: [BusErrorCode] = []
      while failed.isEmpty {
        try pair.left.out.send(recipient, numbered(1))
        pair.left.flush()
        let taken = try pair.right.poll(limit: 64) { _, _, _ in
        } onFailure: { failure, _ in
          failed.append(failure.error.code)
        }
        #expect(taken == 1)
      }
      #expect(failed == [.timeout])
    }
  }
}
