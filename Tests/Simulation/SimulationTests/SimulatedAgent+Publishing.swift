import BinaryComm
import BusLog
import BusWire

// A simulated agent as a publisher: what `PublisherShared` does with memory and flow control.

extension SimulatedAgent {
  /// The shape of each log.
  static var shape: LogShape {
    guard let shape = LogShape(capacity: 65536) else { preconditionFailure("no power of two") }
    return shape
  }

  func publishing(_ channel: String) -> Publishing {
    Publishing(channel: channel, publisher: name)
  }

  /// The router has registered a stream.
  mutating func open(_ channel: String, _ added: LogAddedFrame) {
    var state = publishing(channel)
    let actions = state.opened(added, Self.shape, .log(channel, generation: 0))
    publishers.byStream[added.stream] = Stream(state: state)
    perform(actions, of: added.stream)
  }

  /// Changes a stream by an event.
  mutating func change(_ id: StreamID, _ body: (inout Publishing) -> Void) {
    guard var stream = publishers.byStream[id] else { return }
    body(&stream.state)
    publishers.byStream[id] = stream
  }

  /// The same, and does what follows.
  private mutating func update(
    _ id: StreamID, _ body: (inout Publishing) -> [Publishing.Action]
  ) {
    var actions: [Publishing.Action] = []
    change(id) { actions = body(&$0) }
    perform(actions, of: id)
  }

  /// The same for an event that is only told on.
  private mutating func notify(
    _ id: StreamID, _ body: (inout Publishing) -> [Publishing.Notice]
  ) {
    update(id) { body(&$0).map { .notify($0) } }
  }

  private mutating func window<Result>(
    _ id: StreamID, _ body: (inout SimulatedWindow) -> Result
  ) -> Result? {
    guard var stream = publishers.byStream[id] else { return nil }
    defer { publishers.byStream[id] = stream }
    return body(&stream.window)
  }

  private mutating func perform(_ actions: [Publishing.Action], of id: StreamID) {
    for action in actions {
      switch action {
      case .notify(.router(let frame)): session.tell(frame)
      case .delist: publishers.byStream[id] = nil
      case .expect(let readers): _ = window(id) { $0.expect(readers) }
      case .expectInstead(let readers):
        guard window(id, { $0.expectInstead(readers) }) == false else { break }
        notify(id) { $0.wentOn(without: readers) }
      case .letIn(let join, _):
        change(id) { $0.admit(join) }
        guard let start = window(id, { $0.join(join.attachment) }) else { break }
        notify(id) { $0.joined(join.attachment, at: start) }
      case .takeOut(let reader):
        let wasInWindow = window(id) { $0.leave(reader) } ?? false
        notify(id) { $0.left(reader, wasInWindow: wasInWindow) }
      case .compareWindow:
        let window = streams[id]?.window.attachments ?? []
        update(id) { $0.endSnapshot(window: window) }
      case .make(_, let generation):
        guard let channel = streams[id]?.state.channel else { break }
        update(id) { $0.offer(generation, .log(channel, generation: generation)) }
      case .register(let frame, let memory):
        let question = Question.larger(id, generation: frame.generation)
        guard session.ask(.addLog(frame), memory, question) == nil else { break }
        change(id) { $0.routerLost() }
      // Its service thread looks after each step, and it ends with its publishers.
      case .wake, .enlist, .shutWindow, .endWindow, .unmet, .notify(.readerLeft): break
      }
    }
  }

  mutating func tellPublishers(_ frame: RouterFrame) {
    let hearers = publishers.hearers(of: frame).map(\.key).sorted()
    for id in hearers { update(id) { $0.hear(frame) } }
  }

  // MARK: What the program does

  /// Readers keep the window full.
  mutating func wantLargerLog(_ id: StreamID, nowNs: UInt64) {
    update(id) { state in
      state.refusal(of: Self.shape, nowNs: nowNs) == nil ? state.ask(for: Self.shape) : []
    }
  }

  mutating func close(_ id: StreamID) { update(id) { $0.close() } }

  /// Publishers look for the larger logs that they asked for.
  mutating func goOver() {
    for (id, stream) in streams.sorted(by: { $0.key < $1.key }) {
      var taken: UInt32?
      change(id) { taken = $0.take() }
      guard let generation = taken else { continue }
      // A window that is kept at its start has no room for saying where the stream goes on.
      guard stream.window.expected.isEmpty else {
        change(id) { $0.giveBack(generation) }
        continue
      }
      _ = window(id) { $0.use(generation) }
      notify(id) { $0.moved(to: generation, at: SimulatedWindow.position(of: generation)) }
    }
  }

  // MARK: What the service thread does

  /// Makes the logs that publishers asked for.
  mutating func prepareLogs() {
    guard session.isUp else { return }
    for id in streams.keys.sorted() { update(id) { $0.prepare() } }
  }

  /// Forgets the logs that every reader has left: here readers are at the end of what they have.
  mutating func dropDrainedLogs() {
    for (id, stream) in streams {
      let lowest: UInt64? = stream.window.expected.isEmpty ? nil : 0
      change(id) { $0.dropDrainedLogs(lowest: lowest) }
    }
  }

  mutating func restoreSteps(of id: StreamID) -> [RestoreStep<Memory>] {
    guard let window = streams[id]?.window else { return [] }
    var steps: [RestoreStep<Memory>]?
    change(id) { state in
      steps = state.restoreSteps(window: window.attachments, expected: window.expected)
    }
    return steps ?? []
  }
}
