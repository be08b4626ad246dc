import BinaryComm
import BusWire
import Testing

@Suite("A gathering of replies")
struct GatheringTests {
  private static func reply(_ responder: String, bytes: Int = 1) -> Reply {
    Reply(payload: [UInt8](repeating: 7, count: bytes), responder: responder)
  }

  /// What has come, in one line; nil while it is not over.
  private static func told(_ gathering: Gathering) -> String? {
    switch gathering.outcome {
    case nil: nil
    case .failure(let error)?: error.code.name
    case .success(let result)?:
      (result.replies.map(\.responder) + result.failures.map(\.code.name)).joined(separator: " ")
    }
  }

  @Test("is over when the last of all has answered or failed")
  func all() {
    var gathering = Gathering(.all)
    gathering.sent([1, 2, 3])
    let hasRoom = gathering.receive(Self.reply("a"), of: 1, isLast: false)
    #expect(hasRoom)
    gathering.fail(.peerDied("gone"), of: 2)
    _ = gathering.receive(Self.reply("c"), of: 3, isLast: true)
    #expect(Self.told(gathering) == nil)
    _ = gathering.receive(Self.reply("a"), of: 1, isLast: true)
    #expect(Self.told(gathering) == "a c a PEER_DIED")
  }

  @Test("is over with the first reply where that is asked for, and then wants no more")
  func first() {
    var gathering = Gathering(.first)
    gathering.sent([1, 2])
    gathering.fail(.peerDied("gone"), of: 1)
    #expect(Self.told(gathering) == nil)
    _ = gathering.receive(Self.reply("b"), of: 2, isLast: false)
    #expect(Self.told(gathering) == "b PEER_DIED")
    let wantsMore = gathering.receive(Self.reply("b"), of: 2, isLast: false)
    #expect(!wantsMore)
  }

  @Test("fails with the first reason when nobody has answered")
  func none() {
    var gathering = Gathering(.all)
    gathering.sent([1, 2])
    gathering.fail(.peerDied("gone"), of: 2)
    gathering.fail(.timeout("late"), of: 1)
    #expect(Self.told(gathering) == "PEER_DIED")
  }

  @Test("holds so many bytes of all together; whoever sends more has failed, once")
  func bound() {
    var gathering = Gathering(.all, bytesMax: 1000)
    gathering.sent([1, 2, 3])
    _ = gathering.receive(Self.reply("a", bytes: 900), of: 1, isLast: true)
    // The last part is taken, however large.
    let isTaken = gathering.receive(Self.reply("b", bytes: 5000), of: 2, isLast: false)
    #expect(isTaken)
    for _ in 0..<3 {
      let isTaken = gathering.receive(Self.reply("b"), of: 2, isLast: false)
      #expect(!isTaken)
    }
    // What its responder says to the cancel is no second failure.
    gathering.fail(.cancelled("stopped"), of: 2)
    #expect(Self.told(gathering) == nil)
    _ = gathering.receive(Self.reply("c"), of: 3, isLast: true)
    #expect(Self.told(gathering) == "a b RESOURCE_EXHAUSTED RESOURCE_EXHAUSTED")
  }

  @Test("is bounded for parts without bytes, too")
  func empty() {
    var gathering = Gathering(.all, bytesMax: 1000)
    gathering.sent([1])
    var taken = 0
    while taken < 1000, gathering.receive(Self.reply("a", bytes: 0), of: 1, isLast: false) {
      taken += 1
    }
    #expect(taken < 1000)
  }
}
