import BinaryComm
import BusSystem
import BusWire

/// One publisher at work for a command: splits large bodies, waits for slow readers in steps in
/// which it can be interrupted, and counts.
struct MessageSender: ~Copyable {
  /// Most bytes of a body.
  static let bodyMax = 1 << 30
  /// How long one wait lasts before interruptions are looked at.
  private static let step = Duration.milliseconds(200)

  private var publisher: Publisher
  /// The topic for a whole body, a part, and the last part.
  private let whole: TopicHandle
  private let part: TopicHandle
  private let last: TopicHandle
  private let topic: String
  private let chunk: Int?
  private let timeout: Duration
  private let common: CommonOptions
  let startNs = System.monotonicNs
  private(set) var messages = 0
  private(set) var parts = 0
  private(set) var bytes = 0

  /// Opens a publisher for a topic.
  init(
    _ agent: Agent, topic: String, chunk: Int?, timeout: Double, common: CommonOptions
  ) throws {
    var publisher = try agent.publisher(on: topic)
    whole = try publisher.topic(topic)
    part = publisher.handle(whole, flags: .more)
    last = publisher.handle(whole, flags: .lastPart)
    self.publisher = publisher
    self.topic = topic
    self.chunk = chunk
    self.timeout = Duration(seconds: timeout)
    self.common = common
  }

  /// Waits until at least one reader has joined: one that the router has only told of the stream
  /// may never join, or begin behind what is published now.
  func awaitReader(_ agent: Agent) throws {
    let limit = Deadline(after: timeout)
    var isToldToWait = false
    while true {
      let known = try Session.ask(until: limit) { try rows(of: agent, limit) }
      if let known, known.contains(where: { $0["state"] == "joined" }) { return }
      if known == nil, !isToldToWait {
        isToldToWait = true
        // The next router knows who has joined as soon as they are back.
        common.log(.notice, "no router answers: waiting for one, and for a reader")
      }
      guard !limit.isOver else {
        throw Failure(.timeout, "Nobody reads \(topic) after \(timeout).")
      }
      try Interrupt.check()
      System.sleep(.milliseconds(20))
    }
  }

  /// How many readers there are, as the router knows: those that joined, and those that are about
  /// to and may still begin before what was published.
  func readers(_ agent: Agent) throws -> Int {
    try rows(of: agent, .never).count { $0["state"] != "evicted" }
  }

  private func rows(of agent: Agent, _ limit: Deadline) throws -> [[String: String]] {
    // The last look is not to end before a router that is well can answer.
    let patience = max(Deadline(after: .seconds(1)), min(limit, Deadline(after: .seconds(5))))
    return try agent.query(.attachments, deadline: patience).filter {
      $0["publisher"] == agent.name && $0["channel"] == publisher.channel
    }
  }

  /// Publishes one body, in parts if it is larger than the chunk size.
  ///
  /// `bytes`: of what a reference stands for, which counts in its place.
  mutating func send(_ body: [UInt8], standingFor bytes: Int? = nil) throws {
    if let chunk, body.count > chunk {
      for start in stride(from: 0, to: body.count, by: chunk) {
        let end = min(start + chunk, body.count)
        try write(Array(body[start..<end]), end < body.count ? part : last)
      }
    } else {
      try write(body, whole)
    }
    messages += 1
    self.bytes += bytes ?? body.count
  }

  /// Readers that this process had no room to let in: they miss what was published.
  var unmetReaders: UnmetReaders { publisher.unmetReaders }

  /// Returns when all that was published is safe in a log that the router knows.
  mutating func close() { publisher.close() }

  private mutating func write(_ body: [UInt8], _ handle: TopicHandle) throws {
    try Interrupt.check()
    let limit = Deadline(after: timeout)
    var isToldToWait = false
    while true {
      do {
        try publisher.attempt(handle, bytes: body, timeout: min(limit.left, Self.step))
        parts += 1
        return
      } catch {
        switch error.code {
        case .resourceExhausted, .timeout, .noRouter:
          if limit.isOver {
            publisher.noteFailure(error)
            throw error
          }
          try Interrupt.check()
          if error.code == .noRouter, !isToldToWait {
            isToldToWait = true
            common.log(.notice, "a larger log is needed: waiting for a router")
          }
          // What no reader frees, such as memory of this process, is refused without a wait.
          System.sleep(.milliseconds(5))
        default:
          publisher.noteFailure(error)
          throw error
        }
      }
    }
  }
}
