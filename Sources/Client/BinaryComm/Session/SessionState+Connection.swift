import BusWire

// The connection as it begins, answers and ends.

extension SessionState {
  /// An attempt to connect begins; it has failed at ``dueNs``.
  package mutating func beginAttempt(nowNs: UInt64) {
    guard phase == .down else { return }
    dueNs = identity == nil ? firstEndNs : nowNs.addingSaturated(Self.attemptNs)
  }

  /// There is no connection to be had.
  package mutating func notConnected(
    _ why: BusError, nowNs: UInt64, pauseNs: UInt64
  ) -> [Action] {
    guard phase == .down else { return [] }
    // Whatever stands in the place of a router that is gone says nothing about the next one.
    let isFirst = identity == nil
    return fail(isFirst ? why : .noRouter(why.detail), nowNs: nowNs, pauseNs: pauseNs)
  }

  /// There is a connection.
  package mutating func connected() {
    guard phase == .down else { return }
    phase = .greeting
    attempt = Attempt()
    attempt.awaited = send(.hello(HelloFrame(program: greeting.program)))
  }

  /// A new agent's memory is made.
  package mutating func register(_ segment: Descriptor) {
    guard phase == .registering, identity == nil, attempt.segment == nil else { return }
    attempt.segment = segment
    let frame = RegisterFrame(
      name: greeting.name, category: greeting.category, agent: greeting.id)
    attempt.awaited = send(.register(frame), segment)
  }

  /// What the router that took this agent back has to be told, in this order.
  ///
  /// Nil when that cannot be said now: it is told all of it in another attempt, never a part.
  package mutating func restore(
    _ steps: [RestoreStep<Descriptor>]?, nowNs: UInt64, pauseNs: UInt64
  ) -> [Action] {
    guard phase == .restoring, attempt.step == nil else { return [] }
    guard let steps else {
      return fail(
        .timeout("a publisher stands between two logs"), nowNs: nowNs, pauseNs: pauseNs)
    }
    attempt.steps = [RestoreStep(.end, .restoreDone)] + steps.reversed()
    proceed()
    return []
  }

  /// Time passes.
  package mutating func tick(nowNs: UInt64, pauseNs: UInt64) -> [Action] {
    guard isConnected, phase != .up, nowNs >= dueNs else { return [] }
    let why = BusError.timeout("the router did not answer in time", cause: .silentRouter)
    return fail(why, nowNs: nowNs, pauseNs: pauseNs)
  }

  /// The connection ended.
  package mutating func lose(nowNs: UInt64, pauseNs: UInt64) -> [Action] {
    guard phase == .up else {
      guard isConnected else { return [] }
      let why = attempt.refusal ?? .noRouter("the router closed the connection")
      return fail(why, nowNs: nowNs, pauseNs: pauseNs)
    }
    let lost = forgetConnection()
    guard !isLeaving else {
      let why = BusError.closed("the agent was closed")
      phase = .closed(why)
      return lost + [.ended(why)]
    }
    phase = .down
    dueNs = nowNs.addingSaturated(pauseNs)
    return lost + [.down]
  }

  /// The attempt came to nothing: there is another one, or none any more.
  package mutating func fail(_ why: BusError, nowNs: UInt64, pauseNs: UInt64) -> [Action] {
    guard end == nil else { return [] }
    phase = .down
    let lost = forgetConnection()
    if let ending = ending(why, nowNs: nowNs) {
      phase = .closed(ending)
      return lost + [.ended(ending)]
    }
    dueNs = nowNs.addingSaturated(identity == nil ? Self.firstPauseNs : pauseNs)
    return lost
  }

  /// What an attempt that failed ends for good, nil when there is to be another one.
  private mutating func ending(_ why: BusError, nowNs: UInt64) -> BusError? {
    guard identity == nil else {
      let isForGood = [.fenced, .incompatibleVersion, .denied, .nameInUse].contains(why.code)
      return isForGood ? why : nil
    }
    // Neither does a full router stay as it is: somebody may end.
    let isFull = why.code == .resourceExhausted && [.descriptors, .limit].contains(why.cause)
    if isFull { fullness = why }
    guard why.code == .noRouter || isFull, nowNs < firstEndNs else {
      return why.code == .timeout ? fullness ?? why : why
    }
    return nil
  }

  // MARK: Frames of the router

  /// Takes one record of the socket and the descriptor beside it.
  ///
  /// One that is not understood ends the connection.
  package mutating func receive(
    _ bytes: [UInt8], _ descriptor: Descriptor?, nowNs: UInt64, pauseNs: UInt64
  ) -> [Action] {
    let request: UInt32
    let frame: RouterFrame
    do throws(ControlError) {
      (request, frame) = try RouterFrame.decode(bytes)
    } catch {
      guard phase != .up else { return lose(nowNs: nowNs, pauseNs: pauseNs) }
      let why = BusError.incompatibleVersion("the router's answer is not understood: \(error)")
      return isConnected ? fail(why, nowNs: nowNs, pauseNs: pauseNs) : []
    }
    guard phase != .up else { return [take(request, frame, descriptor)] }
    guard isConnected else { return [] }
    guard request == attempt.awaited else {
      if case .error(let error) = frame, phase == .greeting {
        attempt.refusal = BusError(number: error.code, text: error.text)
      }
      attempt.early.append((request, frame, descriptor))
      return []
    }
    // A router that answers is not silent, however much it has to be told.
    if identity != nil { dueNs = nowNs.addingSaturated(Self.attemptNs) }
    do throws(BusError) {
      switch phase {
      case .greeting: return try greeted(frame, descriptor)
      case .registering: return try registered(frame)
      case .restoring: return try restored(frame)
      case .down, .up, .closed: return []
      }
    } catch {
      return fail(error, nowNs: nowNs, pauseNs: pauseNs)
    }
  }

  private mutating func take(
    _ request: UInt32, _ frame: RouterFrame, _ descriptor: Descriptor?
  ) -> Action {
    request == 0 ? .deliver(frame, descriptor) : answer(request, frame, descriptor)
  }

  private mutating func greeted(
    _ frame: RouterFrame, _ descriptor: Descriptor?
  ) throws(BusError) -> [Action] {
    switch frame {
    case .error(let error): throw BusError(number: error.code, text: error.text)
    case .welcome(let welcome):
      phase = .registering
      guard let identity else {
        return [.welcomed(welcome, descriptor), .makeSegment(welcome.incarnation)]
      }
      let frame = ReattachFrame(
        name: greeting.name, category: greeting.category, agent: greeting.id,
        incarnation: identity.incarnation, ticket: identity.ticket)
      attempt.awaited = send(.reattach(frame), identity.segment)
      return [.welcomed(welcome, descriptor)]
    default: throw .incompatibleVersion("the router answered hello with another frame")
    }
  }

  private mutating func registered(_ frame: RouterFrame) throws(BusError) -> [Action] {
    switch frame {
    case .error(let error): throw BusError(number: error.code, text: error.text)
    case .registered(let registered):
      guard identity == nil else {
        identity?.ticket = registered.ticket
        phase = .restoring
        return [.registered(registered, isFirst: false), .collect]
      }
      guard let segment = attempt.segment else { return [] }
      identity = Identity(
        incarnation: registered.incarnation, ticket: registered.ticket, segment: segment)
      return [.registered(registered, isFirst: true)] + goUp()
    default: throw .incompatibleVersion("the router answered register with another frame")
    }
  }

  /// The answer to what the router was told last.
  private mutating func restored(_ frame: RouterFrame) throws(BusError) -> [Action] {
    guard let step = attempt.step.take() else { return [] }
    var actions: [Action] = []
    switch frame {
    case .error(let error):
      let why = BusError(number: error.code, text: error.text)
      guard step.mayBeRefused(with: why.code) else { throw why }
      attempt.steps.removeAll { $0.subject == step.subject }
      actions = [.refused(step.subject, why)]
    // It may say at once who answers a name: the end of a list, whose beginning came before it.
    case .responders: attempt.early.append((0, frame, nil))
    default: break
    }
    if step.subject == .end { return actions + goUp() }
    proceed()
    return actions
  }

  /// Tells the router what is next, up to a step that it answers.
  private mutating func proceed() {
    while let step = attempt.steps.popLast() {
      guard !step.hasAnswer else {
        attempt.step = step
        attempt.awaited = send(step.frame, step.descriptor)
        return
      }
      queue(Outbound(bytes: step.frame.encode(), descriptor: step.descriptor))
    }
  }

  private mutating func goUp() -> [Action] {
    phase = .up
    releaseKept()
    let early = attempt.early
    attempt = Attempt()
    return early.map { take($0.request, $0.frame, $0.descriptor) } + [.up]
  }
}
