import BusSystem
import BusWire
import Synchronization

/// The control connection of an agent: the state machine of its life, and the socket by which it
/// meets the router.
///
/// Any thread sends; the service thread alone connects, receives and carries out what follows.
final class ControlConnection: Sendable {
  typealias Session = SessionState<FileDescriptor, PendingReply>

  private struct State: Sendable {
    var session: Session
    var socket: FileDescriptor?
    /// Before the attempt that follows this connection: full jitter, so that a hundred agents do
    /// not come back at once.
    var pauseNs = Self.drawPause()

    static func drawPause() -> UInt64 { UInt64.random(in: 10...250) * 1_000_000 }
  }

  /// Where the connection is, for the service thread's next step.
  struct Look {
    let phase: Session.Phase
    let dueNs: UInt64
    let socket: FileDescriptor?
    let hasOutbound: Bool
  }

  let directory: String
  private let trust: RouterTrust
  /// Ends the service thread's wait.
  let wakeup: EventFD
  private let state: Mutex<State>

  init(
    directory: String, trust: RouterTrust, wakeup: EventFD, greeting: Session.Greeting,
    deadline: Deadline
  ) {
    self.directory = directory
    self.trust = trust
    self.wakeup = wakeup
    state = Mutex(State(session: Session(greeting, untilNs: deadline.ns)))
  }

  /// Frames flow.
  var isUp: Bool { state.withLock { $0.session.isUp } }
  /// Why nothing is tried any more, nil while it may be.
  var end: BusError? { state.withLock { $0.session.end } }
  /// Why nothing new begins, nil while it may.
  var closing: BusError? { state.withLock { $0.session.closing } }
  /// Frames flow, and some wait for the socket.
  var isSending: Bool { state.withLock { $0.session.isUp && $0.session.nextOutbound != nil } }

  // MARK: Any thread

  /// Sends a frame that has no answer; it is dropped while there is no router.
  func tell(_ frame: AgentFrame) {
    state.withLock { state in
      let isAlone = state.session.nextOutbound == nil
      state.session.tell(frame)
      send(&state, isAlone: isAlone)
    }
  }

  /// Sends a request and hands its answer to `reply`; returns its number, nil without a router.
  func ask(_ frame: AgentFrame, _ descriptor: FileDescriptor?, _ reply: PendingReply) -> UInt32? {
    state.withLock { state in
      let isAlone = state.session.nextOutbound == nil
      let number = state.session.ask(frame, descriptor, reply)
      send(&state, isAlone: isAlone)
      return number
    }
  }

  /// Sends a request and waits for its answer; a lost connection is waited for and asked again.
  func request(
    _ frame: AgentFrame, descriptor: FileDescriptor?, deadline: Deadline,
    onReply: @escaping @Sendable (RouterFrame) -> Void
  ) throws(BusError) -> PendingReply.Outcome {
    while true {
      try waitUntilUp(deadline: deadline)
      let reply = PendingReply(onReply: onReply)
      // The router went since we looked: wait for the next one.
      guard let number = ask(frame, descriptor, reply) else { continue }
      let outcome = reply.wait(deadline: deadline)
      state.withLock { $0.session.withdraw(number) }
      switch outcome {
      case .none: throw .timeout("the router did not answer in time", cause: .silentRouter)
      case .lost: continue
      case .frame(.error(let error), _): throw BusError(number: error.code, text: error.text)
      case .some(let outcome): return outcome
      }
    }
  }

  /// Waits until frames flow; throws ``BusError/noRouter(_:)`` at the deadline.
  func waitUntilUp(deadline: Deadline) throws(BusError) {
    while !isUp {
      if let end { throw end }
      guard !deadline.isOver else { throw .noRouter("no router in \(directory)") }
      SystemThread.sleep(milliseconds: 5)
    }
  }

  /// The agent says goodbye: the end of the connection is wanted.
  func leave() { state.withLock { $0.session.leave() } }

  /// Nothing is tried any more; the socket goes when the service thread has ended.
  func close(_ why: BusError) -> [Session.Action] {
    defer { wakeup.signal() }
    return state.withLock { $0.session.close(why) }
  }

  /// Sends now what was alone, or has the service thread send it behind what waits.
  private func send(_ state: inout State, isAlone: Bool) {
    guard let frame = state.session.nextOutbound else { return }
    if isAlone, let socket = state.socket,
      (try? ControlSocket.send(socket, frame.bytes, frame.descriptor)) == .sent
    {
      state.session.sent()
    }
    // The service thread must ask for room in the socket.
    if state.session.nextOutbound != nil { wakeup.signal() }
  }

  // MARK: The service thread

  func look() -> Look {
    state.withLock { state in
      Look(
        phase: state.session.phase, dueNs: state.session.dueNs, socket: state.socket,
        hasOutbound: state.session.nextOutbound != nil)
    }
  }

  /// Changes the session by an event; its socket goes with its connection.
  func update(
    _ body: (inout Session, _ nowNs: UInt64, _ pauseNs: UInt64) -> [Session.Action]
  ) -> [Session.Action] {
    let nowNs = Deadline.nowNs
    return state.withLock { state in
      let actions = body(&state.session, nowNs, state.pauseNs)
      if !state.session.isConnected { state.socket = nil }
      return actions
    }
  }

  /// Tries to reach a router.
  func connect() -> [Session.Action] {
    let endNs = state.withLock { state in
      state.pauseNs = State.drawPause()
      state.session.beginAttempt(nowNs: Deadline.nowNs)
      return state.session.dueNs
    }
    do throws(BusError) {
      let socket = try ControlSocket.connect(
        directory: directory, trust: trust, deadline: Deadline(ns: endNs))
      state.withLock { state in
        state.session.connected()
        if state.session.isConnected { state.socket = socket }
      }
      return []
    } catch {
      return update { $0.notConnected(error, nowNs: $1, pauseNs: $2) }
    }
  }

  /// Sends what waits, as far as the socket takes it.
  func flush() -> [Session.Action] {
    guard let socket = look().socket else { return [] }
    var isStarved = false
    let actions = update { session, nowNs, pauseNs in
      var actions: [Session.Action] = []
      while let frame = session.nextOutbound {
        do throws(BusError) {
          switch try ControlSocket.send(socket, frame.bytes, frame.descriptor) {
          case .sent: session.sent()
          case .starved:
            isStarved = true
            return actions
          // Whoever waits is told when the end is received, and asks the next router.
          case .full, .ended, .refused: return actions
          }
        } catch {
          actions += session.unsendable(error, nowNs: nowNs, pauseNs: pauseNs)
        }
      }
      return actions
    }
    // The socket stays writable meanwhile: without a pause this thread would spin.
    if isStarved { SystemThread.sleep(milliseconds: 5) }
    return actions
  }

  /// The service thread has ended.
  func disconnect() { state.withLock { $0.socket = nil } }
}
