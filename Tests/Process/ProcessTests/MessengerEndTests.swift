import BinaryComm
import BusTestSupport
import BusWire
import Testing

/// What one side does last, and what the other is told of it.
@Suite("Ends of messengers")
struct MessengerEndTests {
  @Test("whoever waits for a messenger that is closed is told, though its owner keeps the value")
  func closed() throws {
    try Watchdog.bounding("a closed messenger that is kept", seconds: 90) {
      var pair = try Pair()
      let recipient = try pair.openLanes()
      _ = try pair.left.out.request(recipient, numbered(1), Pair.longAsking)
      try pair.until(arrived: 1)
      // From now on the asker reads a log of the other side, which ends with that.
      try pair.right.out.reply(to: pair.arrived[0], numbered(11))
      try pair.until(ended: 1)
      _ = try pair.left.out.request(recipient, numbered(2), Pair.longAsking)
      try pair.until(arrived: 2)
      pair.right.close()
      try pair.until(ended: 2)
      #expect(pair.replies == [11] && pair.failures.map(\.code) == [.peerDied])
      let late = failure { () throws(BusError) in
        try pair.right.out.reply(to: pair.arrived[1], numbered(12))
      }
      #expect(late?.code == .closed)
    }
  }
}
