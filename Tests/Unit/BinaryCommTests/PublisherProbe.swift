import BinaryComm
import BusLog
import BusWire

/// The stream of a publisher whose window, memory and router a test plays: descriptors are numbers,
/// a larger log is its number.
struct PublisherProbe {
  typealias State = PublisherStreamState<Int, Int>

  static let stream = StreamID(7)
  static let proof = ControlTicket([UInt8](repeating: 9, count: 32)) ?? .none

  var state: State

  init(closesUnmet: Bool = false) {
    state = State(channel: "ticks", publisher: "writer", closesUnmet: closesUnmet)
  }

  /// One that a router has registered.
  static func registered(
    expected: [UInt64] = [], closesUnmet: Bool = false
  ) -> PublisherProbe {
    var probe = PublisherProbe(closesUnmet: closesUnmet)
    _ = probe.open(expected: expected)
    return probe
  }

  /// One whose agent has ended.
  static func shut() -> PublisherProbe {
    var probe = registered()
    _ = probe.state.shut(.closed("over"))
    return probe
  }

  /// One that its owner has given up.
  static func closed() -> PublisherProbe {
    var probe = registered()
    _ = probe.state.close()
    return probe
  }

  static var shape: LogShape { shape(1 << 16) }

  static func shape(_ capacity: UInt64) -> LogShape {
    guard let shape = LogShape(capacity: capacity) else { preconditionFailure("no power of two") }
    return shape
  }

  mutating func open(expected: [UInt64] = [], stream: StreamID = Self.stream) -> [String] {
    let added = LogAddedFrame(
      stream: stream, generation: 0, expected: expected.map { AttachmentID($0) },
      proof: Self.proof)
    return words(state.opened(added, Self.shape, 100))
  }

  // MARK: Frames of the router

  static func join(
    _ reader: UInt64, of incarnation: UInt64 = 50, stream: StreamID = Self.stream
  ) -> JoinFrame {
    JoinFrame(
      attachment: AttachmentID(reader), stream: stream,
      readerIncarnation: Incarnation(incarnation), flags: [.lossless], slot: 1, epoch: 1)
  }

  static func added(_ expected: [UInt64], stream: StreamID = Self.stream) -> RouterFrame {
    .logAdded(
      LogAddedFrame(
        stream: stream, generation: 0, expected: expected.map { AttachmentID($0) },
        proof: Self.proof))
  }

  static func leave(_ reader: UInt64) -> RouterFrame {
    .leave(LeaveFrame(attachment: AttachmentID(reader)))
  }

  static func gone(_ incarnation: UInt64) -> RouterFrame {
    .agentGone(AgentGoneFrame(incarnation: Incarnation(incarnation)))
  }

  static let snapshotBegin = RouterFrame.snapshotBegin(SnapshotFrame(generation: 1))
  static let snapshotEnd = RouterFrame.snapshotEnd(SnapshotFrame(generation: 1))

  /// Frames that are no publisher's.
  static var others: [RouterFrame] {
    let reader = AttachmentID(3)
    return [
      .done, .evicted(EvictedFrame(attachment: reader, reason: "")),
      .streamEnded(StreamEndedFrame(stream: stream, finalPosition: 0, reason: .closed)),
      .joined(
        JoinedFrame(
          attachment: reader, generation: 0, startPosition: 0, startSequence: 0, departed: 0)),
    ]
  }

  mutating func hear(_ frame: RouterFrame, descriptor: Int? = nil) -> [String] {
    words(state.hear(frame, descriptor))
  }

  /// A reader comes, and the window lets it in where the log begins.
  mutating func letIn(_ reader: UInt64, of incarnation: UInt64 = 50) {
    let join = Self.join(reader, of: incarnation)
    _ = state.hear(.join(join), 1)
    state.admit(join)
    _ = state.joined(AttachmentID(reader), at: Self.start)
  }

  static let start = FlowControl.Start(generation: 0, position: 64, sequence: 1, departed: 2)

  // MARK: A larger log

  /// A log of twice the size is made, and the router is asked to register it.
  mutating func offer(_ log: Int) -> [String] {
    _ = state.ask(for: Self.shape(1 << 17))
    _ = state.prepare()
    return words(state.offer(log, log))
  }

  /// The same, and the publisher has gone over to it.
  mutating func grow(_ generation: UInt32, at position: UInt64) {
    _ = offer(Int(generation))
    state.registered(generation)
    guard state.take() != nil else { return }
    _ = state.moved(to: generation, at: position)
  }

  /// What the next router is told, in words; nil: it cannot be told now.
  mutating func restored(window: [UInt64] = [], expected: [UInt64] = []) -> [String]? {
    let steps = state.restoreSteps(
      window: Set(window.map { AttachmentID($0) }), expected: expected.map { AttachmentID($0) })
    return steps?.map { step in
      switch step.frame {
      case .restoreLog(let log):
        let role = log.current ? "current" : log.retired ? "retired" : "new"
        return "log(\(log.generation), \(role), \(step.descriptor ?? -1))"
      case .restoreReader(let reader):
        return "reader(\(reader.attachment.value), \(reader.readerIncarnation.value))"
      default: return "other"
      }
    }
  }
}

/// An action as one word, for comparing.
func word(_ action: PublisherProbe.State.Action) -> String {
  switch action {
  case .notify(let notice): word(notice)
  case .enlist(let stream): "enlist(\(stream.value))"
  case .delist(let stream): "delist(\(stream.map { "\($0.value)" } ?? ""))"
  case .expect(let readers): "expect(\(numbers(readers)))"
  case .expectInstead(let readers): "expectInstead(\(numbers(readers)))"
  case .letIn(let join, let descriptor):
    "letIn(\(join.attachment.value), \(descriptor.map { "\($0)" } ?? "none"))"
  case .takeOut(let reader): "takeOut(\(reader.value))"
  case .compareWindow: "compareWindow"
  case .unmet(let why): "unmet(\(why.code.name))"
  case .shutWindow: "shutWindow"
  case .endWindow: "endWindow"
  case .wake: "wake"
  case .make(let shape, let generation): "make(\(shape.capacity >> 10) KiB, \(generation))"
  case .register(let frame, let descriptor):
    "register(\(frame.stream.value), \(frame.generation), \(descriptor))"
  }
}

/// A notice as one word.
func word(_ notice: PublisherProbe.State.Notice) -> String {
  switch notice {
  case .readerLeft: "readerLeft"
  case .router(.joined(let frame)):
    "joined(\(frame.attachment.value), \(frame.startPosition), \(frame.departed))"
  case .router(.joinRefused(let frame)): "joinRefused(\(frame.attachment.value))"
  case .router(.evict(let frame)): "evict(\(frame.attachment.value), \(frame.reason))"
  case .router(.closeStream(let frame)): "closeStream(\(frame.stream.value))"
  case .router(.retireLog(let frame)): "retireLog(\(frame.stream.value), \(frame.generation))"
  case .router: "other"
  }
}

private func numbers(_ readers: [AttachmentID]) -> String {
  readers.map { "\($0.value)" }.joined(separator: " ")
}

func words(_ actions: [PublisherProbe.State.Action]) -> [String] { actions.map(word) }
func words(_ notices: [PublisherProbe.State.Notice]) -> [String] { notices.map(word) }
