import BinaryComm
import BusWire
import Testing

/// A subscription whose memory, publishers and router a test plays: descriptors and mapped logs are
/// numbers, the place of a reading is the word that its test gives it.
struct SubscriptionProbe {
  typealias State = SubscriptionState<Int, Int, String>

  static let number: UInt32 = 5
  static let publisher = Incarnation(40)

  var state: State

  init(_ pattern: String = "ticks") throws {
    let wish = SubscribeFrame(
      subscription: Self.number, pattern: pattern, mode: .lossless, sleeps: true, epoch: 2)
    state = State(wish, try TopicPattern(pattern))
  }

  /// One that a router has taken.
  static func confirmed() throws -> SubscriptionProbe {
    var probe = try SubscriptionProbe()
    probe.state.confirm()
    return probe
  }

  // MARK: Frames of the router

  /// The announcement of a log; the stream of a reading has its number and 100.
  static func announce(
    _ reading: UInt64, _ generation: UInt32 = 0, flags: AnnounceFlags = .current,
    subscription: UInt32 = Self.number
  ) -> AnnounceFrame {
    AnnounceFrame(
      subscription: subscription, attachment: AttachmentID(reading),
      stream: StreamID(100 + reading), publisherIncarnation: publisher,
      publisher: BusUUID(agentName: "writer"), publisherName: "writer", channel: "ticks",
      generation: generation, capacity: 1 << 16, segmentBytes: 1 << 17, flags: flags)
  }

  static func joined(_ reading: UInt64, _ generation: UInt32 = 0) -> JoinedFrame {
    JoinedFrame(
      attachment: AttachmentID(reading), generation: generation, startPosition: 64,
      startSequence: 3, departed: 1)
  }

  static func ended(_ reading: UInt64, at position: UInt64 = 640) -> RouterFrame {
    .streamEnded(
      StreamEndedFrame(stream: StreamID(100 + reading), finalPosition: position, reason: .closed))
  }

  static func evicted(_ reading: UInt64) -> RouterFrame {
    .evicted(EvictedFrame(attachment: AttachmentID(reading), reason: "slow"))
  }

  static func missed(_ reading: UInt64, by subscription: UInt32, on channel: String = "ticks")
    -> RouterFrame
  {
    .missed(
      MissedFrame(
        subscription: subscription, stream: StreamID(100 + reading), publisherName: "writer",
        channel: channel, code: BusErrorCode.resourceExhausted.rawValue, text: "full"))
  }

  mutating func hear(_ frame: RouterFrame, descriptor: Int? = nil) -> [String] {
    words(state.hear(frame, descriptor))
  }

  mutating func announced(_ reading: UInt64, _ generation: UInt32 = 0) -> [String] {
    hear(.announce(Self.announce(reading, generation)), descriptor: 9)
  }

  mutating func join(_ reading: UInt64, _ generation: UInt32 = 0) -> [String] {
    words(state.join(Self.joined(reading, generation)) { $0.place += " counted" })
  }

  // MARK: What becomes of readings

  /// A stream is announced and mapped, and has a cursor.
  mutating func offer(_ reading: UInt64) {
    let announce = Self.announce(reading)
    _ = state.hear(.announce(announce), 9)
    _ = state.mapped(announce, isNew: true, 1000)
    _ = state.attach(announce, 1000, slot: UInt16(reading), "place \(reading)")
  }

  /// The same, and its publisher has let us in.
  mutating func start(_ reading: UInt64) {
    offer(reading)
    _ = join(reading)
  }

  mutating func finish(_ reading: UInt64) -> [String] {
    words(state.finish(AttachmentID(reading)))
  }

  /// What the next router is told, and what is done before, in words.
  mutating func restored() -> (steps: [String], before: [String]) {
    let (steps, before) = state.restore()
    let told = steps.map { step in
      switch step.frame {
      case .restoreSubscription(let frame): "subscription(\(frame.subscription), \(frame.epoch))"
      case .restoreAttachment(let frame):
        "reading(\(frame.attachment.value), \(frame.slot)\(frame.joined ? ", joined" : ""))"
      default: "other"
      }
    }
    return (told, words(before))
  }
}

/// An action as one word, for comparing.
func word(_ action: SubscriptionProbe.State.Action) -> String {
  switch action {
  case .tell(.attach(let frame)): "attach(\(frame.attachment.value), \(frame.slot))"
  case .tell(.detach(let frame)): "detach(\(frame.attachment.value))"
  case .tell(.released(let frame)):
    "released(\(frame.attachment.value), \(frame.generation))"
  case .tell(.unsubscribe(let frame)): "unsubscribe(\(frame.subscription))"
  case .tell: "other"
  case .post(.opened(let reading)):
    "opened(\(reading.source.attachment.value), \(reading.start?.position ?? 0), "
      + "\(reading.logs.keys.sorted()), \(reading.place))"
  case .post(.log(let key, let generation, let log)): "log(\(key.value), \(generation), \(log))"
  case .post(.ended(let key, let position)):
    position == .max ? "ended(\(key.value))" : "ended(\(key.value), \(position))"
  case .post(.evicted(let key, let reason)): "evicted(\(key.value), \(reason))"
  case .post(.refused(let problem)): "refused(\(problem.publisher), \(problem.error.code.name))"
  case .map(let announce, let isNew, let descriptor):
    "map(\(announce.attachment.value), \(announce.generation), \(isNew ? "new" : "next"), "
      + "\(descriptor.map { "\($0)" } ?? "none"))"
  case .takeCursor(let announce, let log): "takeCursor(\(announce.attachment.value), \(log))"
  case .free(let place): "free(\(place))"
  case .settle(let stream): "settle(\(stream.value))"
  case .lose(let stream, let problem): "lose(\(stream.value), \(problem.publisher))"
  case .forgetNews: "forgetNews"
  case .delist: "delist"
  }
}

func words(_ actions: [SubscriptionProbe.State.Action]) -> [String] { actions.map(word) }
