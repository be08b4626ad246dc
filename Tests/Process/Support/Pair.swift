package import BinaryComm
import BusWire
import Glibc

/// Two agents whose messengers one thread polls in turn, so that a test decides what comes first.
package struct Pair: ~Copyable {
  /// Of requests whose time is not to be over: other tests of this process keep the CPUs busy.
  package static let longAsking = SendOptions(timeoutNs: 50_000_000_000)

  package var bus: ClientBus
  package let asker: Agent
  package let answerer: Agent
  package var left: Messenger
  package var right: Messenger
  /// What arrived at the right side, in order.
  package var arrived: [InboxMessage] = []
  package var numbers: [Int] = []
  /// What came back to the left side.
  package var replies: [Int] = []
  package var failures: [BusError] = []

  package init(_ options: MessengerOptions = MessengerOptions()) throws {
    let bus = try ClientBus()
    let asker = try bus.agent("asker")
    let answerer = try bus.agent("answerer")
    let left = try asker.messenger(options)
    let right = try answerer.messenger(options)
    self.bus = bus
    self.asker = asker
    self.answerer = answerer
    self.left = left
    self.right = right
  }

  /// One poll of the right side, which only notes what arrives.
  @discardableResult
  package mutating func take(limit: Int = 64) throws -> Int {
    var seen: [(InboxMessage, Int)] = []
    let taken = try right.poll(limit: limit) { message, incoming, _ in
      seen.append((incoming, number(message.payload)))
    }
    arrived += seen.map(\.0)
    numbers += seen.map(\.1)
    return taken
  }

  /// One poll of the left side.
  @discardableResult
  package mutating func hear() throws -> Int {
    var came: [Int] = []
    var failed: [BusError] = []
    let taken = try left.poll { message, _, _ in
      came.append(number(message.payload))
    } onFailure: { failure, _ in
      failed.append(failure.error)
    }
    replies += came
    failures += failed
    return taken
  }

  /// Polls both until so much has arrived at the right.
  package mutating func until(arrived count: Int) throws {
    while arrived.count < count {
      if try hear() + take() == 0 { usleep(200) }
    }
  }

  /// Polls both until so many requests have ended at the left.
  package mutating func until(ended count: Int) throws {
    while replies.count + failures.count < count {
      if try hear() + take() == 0 { usleep(200) }
    }
  }

  /// Opens both lanes from left to right and forgets what came.
  package mutating func openLanes() throws -> Recipient {
    let recipient = try left.out.agent("answerer")
    try left.out.send(recipient, numbered(0))
    try left.out.send(recipient, numbered(0), SendOptions(priority: .critical))
    try until(arrived: 2)
    arrived = []
    numbers = []
    return recipient
  }
}
