import BinaryComm
import BusWire
import Glibc

/// Two agents whose messengers one thread polls in turn, so that a test decides what comes first.
struct Pair: ~Copyable {
  /// Of requests whose time is not to be over: other tests of this process keep the CPUs busy.
  static let longAsking = SendOptions(timeoutNs: 50_000_000_000)

  var bus: ClientBus
  let asker: Agent
  let answerer: Agent
  var left: Messenger
  var right: Messenger
  /// What arrived at the right side, in order.
  var arrived: [InboxMessage] = []
  var numbers: [Int] = []
  /// What came back to the left side.
  var replies: [Int] = []
  var failures: [BusError] = []

  init(_ options: MessengerOptions = MessengerOptions()) throws {
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
  mutating func take(limit: Int = 64) throws -> Int {
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
  mutating func hear() throws -> Int {
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
  mutating func until(arrived count: Int) throws {
    while arrived.count < count {
      if try hear() + take() == 0 { usleep(200) }
    }
  }

  /// Polls both until so many requests have ended at the left.
  mutating func until(ended count: Int) throws {
    while replies.count + failures.count < count {
      if try hear() + take() == 0 { usleep(200) }
    }
  }

  /// Opens both lanes from left to right and forgets what came.
  mutating func openLanes() throws -> Recipient {
    let recipient = try left.out.agent("answerer")
    try left.out.send(recipient, numbered(0))
    try left.out.send(recipient, numbered(0), SendOptions(priority: .critical))
    try until(arrived: 2)
    arrived = []
    numbers = []
    return recipient
  }
}
