import BinaryComm
import BusTestSupport
import BusWire
import Glibc
import ProcessSupport
import Testing

/// What one side does last, and what the other is told of it.
@Suite("Ends of messengers")
struct MessengerEndTests {
  @Test("a cancel for which there is no room is not one: the next one is sent")
  func cancelWithoutRoom() throws {
    try Watchdog.bounding("a cancel without room", seconds: 60) {
      var pair = try Pair()
      let recipient = try pair.openLanes()
      let id = try pair.left.out.request(recipient, numbered(1), Pair.longAsking)
      try pair.until(arrived: 1)
      // Nothing goes out between these: once the lane is full it stays so.
      let urgent = SendOptions(priority: .critical)
      var sent = 0
      var refusal: BusError?
      while refusal == nil {
        refusal = failure { () throws(BusError) in
          try pair.left.out.send(recipient, numbered(2), urgent)
        }
        if refusal == nil { sent += 1 }
      }
      for _ in 0..<2 {
        let error = failure { () throws(BusError) in try pair.left.out.cancel(id) }
        #expect(error?.code == .resourceExhausted)
      }
      try pair.until(arrived: 1 + sent)
      try pair.left.out.cancel(id)
      try pair.until(arrived: 1 + sent + 1)
      #expect(pair.arrived.last?.kind == .cancel)
    }
  }

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

  @Test("what waits for a name that no router resolves is counted when its messenger is closed")
  func closedUnresolved() throws {
    try Watchdog.bounding("a closed messenger without a router", seconds: 60) {
      var pair = try Pair()
      try pair.bus.endRouter(SIGKILL)
      let nobody = try pair.left.out.agent("elsewhere")
      _ = try pair.left.out.send(nobody, numbered(1))
      _ = try pair.left.out.send(nobody, numbered(2))
      pair.left.close()
      #expect(pair.left.statistics.unsent == 2)
      #expect(pair.left.out.unsent.first?.error.code == .closed)
    }
  }
}
