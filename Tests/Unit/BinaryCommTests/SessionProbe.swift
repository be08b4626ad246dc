import BinaryComm
import BusWire

/// A session with a router that a test plays: descriptors are numbers, replies are words.
struct SessionProbe {
  typealias Session = SessionState<Int, String>

  static let pauseNs: UInt64 = 77
  static let id = BusUUID(agentName: "probe")
  static let incarnation = Incarnation(9)

  var session: Session
  var nowNs: UInt64 = 1000

  init(untilNs: UInt64 = 1_000_000_000) {
    let greeting = Session.Greeting(program: "test", name: "probe", category: "", id: Self.id)
    session = Session(greeting, untilNs: untilNs)
  }

  /// One that is up.
  static func up() -> SessionProbe {
    var probe = SessionProbe()
    probe.connect()
    _ = probe.answer(.welcome(welcome))
    probe.session.register(5)
    _ = probe.answer(.registered(registered(ticket: 1)))
    return probe
  }

  /// One that was up, and whose next router asks for everything.
  static func restoring() -> SessionProbe {
    var probe = up()
    _ = probe.lose()
    probe.nowNs += pauseNs
    probe.connect()
    _ = probe.answer(.welcome(welcome))
    _ = probe.answer(.registered(registered(ticket: 2)))
    return probe
  }

  static var welcome: WelcomeFrame {
    WelcomeFrame(
      routerIncarnation: Incarnation(1), incarnation: incarnation, arenaBytes: 1, routerPid: 2,
      logBytesFirst: 3, logBytesMax: 4, stallMs: 5)
  }

  static func registered(ticket: UInt8) -> RegisteredFrame {
    RegisteredFrame(
      agent: id, incarnation: incarnation,
      ticket: ControlTicket([UInt8](repeating: ticket, count: 32)) ?? .none, channels: [])
  }

  static func error(_ code: BusErrorCode) -> RouterFrame {
    .error(ErrorFrame(code: code.rawValue, text: code.name))
  }

  mutating func connect() {
    session.beginAttempt(nowNs: nowNs)
    session.connected()
  }

  /// Says what the next router has to be told; nil: that cannot be said now.
  @discardableResult
  mutating func restore(_ steps: [RestoreStep<Int>]?) -> [Session.Action] {
    session.restore(steps, nowNs: nowNs, pauseNs: Self.pauseNs)
  }

  mutating func lose() -> [Session.Action] {
    session.lose(nowNs: nowNs, pauseNs: Self.pauseNs)
  }

  mutating func fail(_ why: BusError) -> [Session.Action] {
    session.notConnected(why, nowNs: nowNs, pauseNs: Self.pauseNs)
  }

  mutating func receive(
    _ frame: RouterFrame, request: UInt32 = 0, descriptor: Int? = nil
  ) -> [Session.Action] {
    session.receive(
      frame.encode(request: request), descriptor, nowNs: nowNs, pauseNs: Self.pauseNs)
  }

  /// Takes the next frame from the socket.
  mutating func sent() -> (request: UInt32, frame: AgentFrame, descriptor: Int?)? {
    guard let outbound = session.nextOutbound,
      let decoded = try? AgentFrame.decode(outbound.bytes)
    else { return nil }
    session.sent()
    return (decoded.request, decoded.frame, outbound.descriptor)
  }

  /// Takes everything from the socket.
  mutating func allSent() -> [AgentFrame] {
    var frames: [AgentFrame] = []
    while let next = sent() { frames.append(next.frame) }
    return frames
  }

  /// Answers the next request that lies in the socket.
  mutating func answer(_ frame: RouterFrame, descriptor: Int? = nil) -> [Session.Action] {
    while let next = sent() {
      guard next.request != 0 else { continue }
      return receive(frame, request: next.request, descriptor: descriptor)
    }
    return []
  }
}

/// An action as one word, for comparing.
func word(_ action: SessionProbe.Session.Action) -> String {
  switch action {
  case .welcomed(_, let page): "welcomed(\(page.map(String.init) ?? ""))"
  case .makeSegment(let incarnation): "segment(\(incarnation.value))"
  case .registered: "registered"
  case .collect: "collect"
  case .refused(.subscription(let id), let why): "refused(\(id), \(why.code.name))"
  case .refused(_, let why): "refused(\(why.code.name))"
  case .answered(let reply, let frame, _): "answered(\(reply), \(frame.kind))"
  case .unclaimed(let frame): "unclaimed(\(frame.kind))"
  case .unsendable(let reply): "unsendable(\(reply))"
  case .lost(let reply): "lost(\(reply))"
  case .deliver(let frame, _): "deliver(\(frame.kind))"
  case .up: "up"
  case .down: "down"
  case .ended(let why): "ended(\(why.code.name))"
  }
}

func words(_ actions: [SessionProbe.Session.Action]) -> [String] { actions.map(word) }
