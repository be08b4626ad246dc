import BinaryComm
import BusAdmin
import BusCounters
import BusTestSupport
import BusWire
import Glibc
import ProcessSupport
import Testing

extension BusDelta {
  /// What an agent dropped, both ways, by reason.
  func drops(_ agent: String) -> [DropReason: UInt64] {
    var sums: [DropReason: UInt64] = [:]
    for direction in CounterDirection.allCases {
      let counts = counts(agent, direction)
      for reason in DropReason.allCases where counts.dropped(reason) > 0 {
        sums[reason, default: 0] += counts.dropped(reason)
      }
    }
    return sums
  }
}

@Suite("Counters of inboxes say what became of each message")
struct CounterInboxTests {
  /// Polls both sides until the right one has taken so many messages out of its inbox.
  private func drain(_ pair: inout Pair, _ count: UInt64) throws {
    while pair.right.inboxStatistics.received < count {
      if try pair.hear() + pair.take() == 0 { usleep(200) }
    }
  }

  @Test("what a messenger does not hand over is dropped in its rows, for the same reasons")
  func received() throws {
    try Watchdog.bounding("counters of an inbox", seconds: 60) {
      var pair = try Pair()
      let watch = try pair.bus.agent("top").watchCounters()
      let there = try pair.openLanes()
      // Handed over and answered twice: the second reply answers nothing.
      _ = try pair.left.out.request(there, numbered(1))
      try pair.until(arrived: 1)
      try pair.right.out.reply(to: pair.arrived[0], numbered(11))
      try pair.right.out.reply(to: pair.arrived[0], numbered(12))
      while pair.left.statistics.drops[.unknownCorrelation] == nil {
        if try pair.hear() + pair.take() == 0 { usleep(200) }
      }
      // Taken back before it was started, then one whose time is over before it is looked at.
      let doomed = try pair.left.out.request(there, numbered(2))
      pair.left.flush()
      try pair.left.out.cancel(doomed)
      _ = try pair.left.out.request(there, numbered(3), SendOptions(timeoutNs: 1_000_000))
      pair.left.flush()
      usleep(5000)
      // And one that is nothing but handed over.
      try pair.left.out.send(there, numbered(4))
      pair.left.flush()
      try drain(&pair, 7)
      try pair.until(ended: 3)
      while try pair.hear() + pair.take() > 0 {}
      // The second reply, and that the time was over where the requester found out by itself.
      #expect(Set(pair.left.statistics.drops.keys) == [.unknownCorrelation])
      #expect(pair.right.statistics.drops == [.cancelled: 1, .expired: 1])
      let picture = watch.picture { $0.agents == 2 }
      #expect(picture.drops("asker") == pair.left.statistics.drops)
      #expect(picture.drops("answerer") == pair.right.statistics.drops)
      try compare(picture, pair)
    }
  }

  /// Rows against what the messengers count, and the balance of both inboxes.
  private func compare(_ picture: BusDelta, _ pair: borrowing Pair) throws {
    for (name, taken) in [
      ("asker", pair.left.inboxStatistics.received),
      ("answerer", pair.right.inboxStatistics.received),
    ] {
      let counts = picture.counts(name, .received)
      #expect(counts.messages + counts.droppedAll == taken && counts.droppedAll > 0)
      let lanes = picture.channels.filter { $0.channel == "inbox.\(name)" }
      #expect(!lanes.isEmpty && lanes.allSatisfy(\.holds))
      #expect(lanes.reduce(0) { $0 + $1.dropped } == counts.droppedAll)
      #expect(lanes.reduce(0) { $0 + $1.delivered } == counts.messages)
      #expect(lanes.reduce(0) { $0 + $1.sent } == taken && lanes.allSatisfy { $0.pending == 0 })
    }
  }

  @Test("bytes of what was dropped are not among the bytes received")
  func bytes() throws {
    try Watchdog.bounding("bytes of an inbox", seconds: 60) {
      var pair = try Pair()
      let watch = try pair.bus.agent("top").watchCounters()
      let there = try pair.openLanes()
      let before = watch.picture { $0.agents == 2 }.counts("answerer", .received).bytes
      let options = SendOptions(timeoutNs: 1_000_000)
      for value in 0..<10 {
        _ = try pair.left.out.request(there, numbered(value, bytes: 64), options)
      }
      try pair.left.out.send(there, numbered(10, bytes: 24))
      pair.left.flush()
      usleep(5000)
      try drain(&pair, 13)
      #expect(pair.right.statistics.drops == [.expired: 10])
      let counts = watch.picture().counts("answerer", .received)
      #expect(counts.bytes - before == 24 && counts.dropped(.expired) == 10)
      #expect(counts.messages == 3)
    }
  }

  @Test("what never came to lie in a log is dropped in the sender's rows, outside the balance")
  func refused() throws {
    try Watchdog.bounding("refused messages", seconds: 60) {
      let limit = ConversationLimit(messagesPerSecond: 0.000_1, burst: 5)
      var pair = try Pair(MessengerOptions(conversationLimit: limit))
      let watch = try pair.bus.agent("top").watchCounters()
      let there = try pair.openLanes()
      let loop = SendOptions(
        context: MessageContext(conversation: BusUUID(agentName: "a loop")))
      for value in 0..<8 { _ = try? pair.left.out.send(there, numbered(value), loop) }
      let far = SendOptions(context: MessageContext(hops: WireLimit.hopsMax + 1))
      for _ in 0..<2 {
        let refusal = failure { () throws(BusError) in
          _ = try pair.left.out.request(there, numbered(9), far)
        }
        #expect(refusal?.code == .tooManyHops)
      }
      try pair.until(arrived: 5)
      #expect(pair.left.statistics.drops == [.rateLimited: 3, .tooManyHops: 2])
      // A requester that ends before it is answered.
      _ = try pair.left.out.request(there, numbered(10))
      try pair.until(arrived: 6)
      let said = watch.picture { $0.agents == 2 }
      #expect(said.drops("asker") == pair.left.statistics.drops)
      #expect(said.counts("asker", .sent).messages == 8 && said.isBalanced)
      pair.asker.close()
      var refusal: BusError?
      // Until the news of its end is here, replies wait for it, and may be too many.
      while refusal?.code != .peerDied {
        if try pair.take() == 0 { usleep(1000) }
        refusal = failure { () throws(BusError) in
          try pair.right.out.reply(to: pair.arrived[5], numbered(11), more: true)
        }
      }
      #expect(pair.right.statistics.drops[.peerGone] == pair.right.statistics.unsent + 1)
      let picture = watch.picture()
      #expect(picture.drops("answerer") == pair.right.statistics.drops)
      #expect(picture.isBalanced)
    }
  }
}
