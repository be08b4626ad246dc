import BinaryComm
import BusWire
import Testing

@Suite("The session of an agent")
struct SessionStateTests {
  @Test("a new agent says hello, makes its memory, registers, and is up")
  func first() throws {
    var probe = SessionProbe()
    probe.connect()
    let helloAsked = probe.sent()
    let hello = try #require(helloAsked)
    #expect(hello.frame == .hello(HelloFrame(program: "test")))
    let asked = probe.session.ask(.watch, nil, "too early")
    #expect(asked == nil)
    let welcomed = probe.receive(
      .welcome(SessionProbe.welcome), request: hello.request, descriptor: 3)
    #expect(words(welcomed) == ["welcomed(3)", "segment(9)"])
    probe.session.register(5)
    let registerAsked = probe.sent()
    let register = try #require(registerAsked)
    #expect(register.descriptor == 5)
    let early = probe.receive(.leave(LeaveFrame(attachment: AttachmentID(1))))
    #expect(early.isEmpty)
    let registered = probe.receive(
      .registered(SessionProbe.registered(ticket: 1)), request: register.request)
    #expect(words(registered) == ["registered", "deliver(leave)", "up"])
    #expect(probe.session.isUp)
  }

  @Test("a full router is asked again until the time is over, and its reason is what is told")
  func full() {
    var probe = SessionProbe(untilNs: 50_000_000)
    let full = ErrorFrame(code: BusErrorCause.limit.rawValue, text: "as many agents as I take")
    for _ in 0..<2 {
      probe.connect()
      let actions = probe.answer(.error(full))
      #expect(actions.isEmpty && probe.session.end == nil)
      probe.nowNs = probe.session.dueNs
    }
    let last = probe.fail(.timeout("nobody answers"))
    #expect(words(last) == ["ended(RESOURCE_EXHAUSTED)"])
  }

  @Test("no router is one until the time is over; any other error ends it at once")
  func firstErrors() {
    var probe = SessionProbe(untilNs: 50_000_000)
    let first = probe.fail(.noRouter("none"))
    #expect(first.isEmpty)
    #expect(probe.session.dueNs == probe.nowNs + SessionProbe.Session.firstPauseNs)
    probe.nowNs = 50_000_000
    let second = probe.fail(.noRouter("none"))
    #expect(words(second) == ["ended(NO_ROUTER)"])
    for why in [BusError.denied(""), .invalid(""), .incompatibleVersion(""), .nameInUse("")] {
      var probe = SessionProbe()
      let actions = probe.fail(why)
      #expect(words(actions) == ["ended(\(why.code.name))"])
    }
  }

  @Test("what a router says before it closes is why, not that it closed")
  func refusedAtTheDoor() {
    var probe = SessionProbe()
    probe.connect()
    let said = probe.receive(SessionProbe.error(.denied))
    #expect(said.isEmpty)
    let actions = probe.lose()
    #expect(words(actions) == ["ended(DENIED)"])
  }

  @Test("a router that is silent has its time, then another attempt is made")
  func silent() throws {
    var probe = SessionProbe.up()
    _ = probe.lose()
    probe.nowNs = probe.session.dueNs
    probe.connect()
    let helloAsked = probe.sent()
    let hello = try #require(helloAsked)
    let early = probe.session.tick(nowNs: probe.session.dueNs - 1, pauseNs: 7)
    #expect(early.isEmpty && probe.session.isConnected)
    probe.nowNs = probe.session.dueNs
    let late = probe.session.tick(nowNs: probe.nowNs, pauseNs: 7)
    #expect(late.isEmpty && probe.session.phase == .down)
    #expect(probe.session.dueNs == probe.nowNs + 7)
    let afterwards = probe.receive(.welcome(SessionProbe.welcome), request: hello.request)
    #expect(afterwards.isEmpty && probe.session.phase == .down)
  }

  @Test("a router that answers is given time for the rest, however long it all takes")
  func slow() {
    var probe = SessionProbe.restoring()
    let name = AgentFrame.resolve(NameFrame(name: "n", group: .service))
    probe.restore((0..<10).map { _ in RestoreStep(.name(name), name) })
    for _ in 0..<10 {
      probe.nowNs += SessionProbe.Session.attemptNs - 1
      _ = probe.answer(.done)
      let actions = probe.session.tick(nowNs: probe.nowNs, pauseNs: 7)
      #expect(actions.isEmpty && probe.session.phase == .restoring)
    }
    probe.nowNs += SessionProbe.Session.attemptNs
    _ = probe.session.tick(nowNs: probe.nowNs, pauseNs: 7)
    #expect(probe.session.phase == .down)
  }

  @Test("bytes that are no frame end the connection, and an attempt for good")
  func garbage() {
    var probe = SessionProbe.up()
    let lost = probe.session.receive([1, 2, 3], nil, nowNs: 5, pauseNs: 7)
    #expect(words(lost) == ["down"])
    probe.connect()
    let actions = probe.session.receive([1, 2, 3], nil, nowNs: 5, pauseNs: 7)
    #expect(words(actions) == ["ended(INCOMPATIBLE_VERSION)"])
  }
}

@Suite("Requests of a session")
struct SessionRequestTests {
  @Test("each is answered once, rows until their end, and what nobody waits for is said")
  func answers() throws {
    var probe = SessionProbe.up()
    _ = probe.allSent()
    let oneAsked = probe.session.ask(.watch, nil, "one")
    let one = try #require(oneAsked)
    let twoAsked = probe.session.ask(.query(QueryFrame(subject: .agents)), nil, "two")
    let two = try #require(twoAsked)
    let threeAsked = probe.session.ask(.watch, nil, "three")
    let three = try #require(threeAsked)
    #expect(Set([one, two, three]).count == 3)
    probe.session.withdraw(three)
    var seen = words(probe.receive(.row(RowFrame(subject: .agents, fields: [])), request: two))
    seen += words(probe.receive(.done, request: one))
    seen += words(probe.receive(.done, request: one))
    seen += words(probe.receive(.queryEnd, request: two))
    seen += words(probe.receive(.done, request: three))
    #expect(
      seen == [
        "answered(two, row)", "answered(one, done)", "unclaimed(done)",
        "answered(two, queryEnd)", "unclaimed(done)",
      ])
  }

  @Test("a connection that goes tells everybody who waits, and forgets what lay in the socket")
  func lost() {
    var probe = SessionProbe.up()
    _ = probe.session.ask(.watch, nil, "one")
    _ = probe.session.ask(.watch, nil, "two")
    let actions = probe.lose()
    #expect(words(actions) == ["lost(one)", "lost(two)", "down"])
    #expect(probe.session.nextOutbound == nil)
    probe.session.tell(.goodbye)
    let asked = probe.session.ask(.watch, nil, "three")
    #expect(probe.session.nextOutbound == nil && asked == nil)
    let again = probe.lose()
    #expect(again.isEmpty, "it was lost already")
  }

  @Test("a frame the kernel never takes fails its request alone; in an attempt, the attempt")
  func unsendable() {
    var probe = SessionProbe.up()
    _ = probe.allSent()
    _ = probe.session.ask(.watch, 4, "one")
    _ = probe.session.ask(.watch, nil, "two")
    let actions = probe.session.unsendable(.system("no"), nowNs: 5, pauseNs: 7)
    #expect(words(actions) == ["unsendable(one)"] && probe.session.isUp)
    #expect(probe.allSent() == [.watch])
    var new = SessionProbe()
    new.connect()
    let ended = new.session.unsendable(.system("no"), nowNs: 5, pauseNs: 7)
    #expect(words(ended) == ["ended(SYSTEM)"])
  }

  @Test("after goodbye the end of the connection is the end; closing tells who waits")
  func leaving() {
    var probe = SessionProbe.up()
    #expect(probe.session.closing == nil)
    probe.session.leave()
    #expect(probe.session.closing?.code == .closed && probe.session.end == nil)
    probe.session.tell(.goodbye)
    #expect(probe.allSent().last == .goodbye)
    let actions = probe.lose()
    #expect(words(actions) == ["ended(CLOSED)"])
    var other = SessionProbe.up()
    _ = other.session.ask(.watch, nil, "one")
    let closed = other.session.close(.closed("now"))
    #expect(words(closed) == ["lost(one)"])
    #expect(other.session.end == .closed("now") && other.session.nextOutbound == nil)
    let later = other.session.close(.closed("later"))
    #expect(later.isEmpty && other.session.end == .closed("now"), "the first reason counts")
  }
}

@Suite("A session at a router that does not know it")
struct SessionRestoreTests {
  private typealias Step = RestoreStep<Int>

  private static func log(_ stream: UInt64) -> Step {
    let frame = RestoreLogFrame(
      stream: StreamID(stream), channel: "c", generation: 0, capacity: 65536,
      segmentBytes: 73728, current: true, retired: false, proof: .none)
    return Step(.stream(StreamID(stream)), .restoreLog(frame), Int(stream))
  }

  private static func subscription(_ id: UInt32) -> [Step] {
    let frame = SubscribeFrame(
      subscription: id, pattern: ">", mode: .lossy, sleeps: false, epoch: 0)
    let attachment = RestoreAttachmentFrame(
      attachment: AttachmentID(UInt64(id)), subscription: id, stream: StreamID(1),
      publisherIncarnation: Incarnation(2), publisherName: "p", publisher: SessionProbe.id,
      channel: "c", slot: 0, joined: true)
    return [
      Step(.subscription(id), .restoreSubscription(frame)),
      Step(.subscription(id), .restoreAttachment(attachment), hasAnswer: false),
    ]
  }

  @Test("tells it all in order, then what changed meanwhile, and hears what came early")
  func order() {
    var probe = SessionProbe.restoring()
    probe.restore([Self.log(1)] + Self.subscription(2) + Self.subscription(3))
    probe.session.tell(.unsubscribe(UnsubscribeFrame(subscription: 3)))
    let early = probe.receive(.leave(LeaveFrame(attachment: AttachmentID(1))))
    #expect(early.isEmpty)
    var kinds: [ControlKind] = []
    var actions: [SessionProbe.Session.Action] = []
    while let next = probe.sent() {
      kinds.append(next.frame.kind)
      if next.request != 0 { actions += probe.receive(.done, request: next.request) }
    }
    #expect(
      kinds == [
        .restoreLog, .restoreSubscription, .restoreAttachment, .restoreSubscription,
        .restoreAttachment, .restoreDone, .unsubscribe,
      ])
    #expect(words(actions) == ["deliver(leave)", "up"])
  }

  @Test("asks behind what is told meanwhile: a name let go and wanted again is asked for last")
  func wantedAgain() {
    let name = NameFrame(name: "n", group: .service)
    var probe = SessionProbe.restoring()
    probe.restore([Step(.name(.resolve(name)), .resolve(name))])
    probe.session.tell(.forget(name))
    let asked = probe.session.ask(.resolve(name), nil, "again")
    #expect(asked != nil)
    _ = probe.answer(.done)
    let up = probe.answer(.done)
    #expect(words(up) == ["up"])
    let forget = probe.sent()
    let resolve = probe.sent()
    #expect(forget?.frame == .forget(name))
    #expect(resolve?.frame == .resolve(name) && resolve?.request == asked)
    let answered = probe.receive(.done, request: resolve?.request ?? 0)
    #expect(words(answered) == ["answered(again, done)"])
    var other = SessionProbe.restoring()
    _ = other.session.ask(.resolve(name), nil, "again")
    let lost = other.lose()
    #expect(words(lost) == ["lost(again)"] && other.session.nextOutbound == nil)
  }

  @Test("hears a list of several frames in its order, though its last one is an answer")
  func longList() {
    let name = NameFrame(name: "n", group: .service)
    func part(_ number: UInt16) -> RouterFrame {
      let one = Responder(incarnation: Incarnation(UInt64(number)), name: "a\(number)")
      return .responders(
        RespondersFrame(
          name: "n", group: .service, isProvisional: false, before: number, total: 3,
          responders: [one]))
    }
    var probe = SessionProbe.restoring()
    probe.restore([Step(.name(.resolve(name)), .resolve(name))])
    var actions = probe.receive(part(0)) + probe.receive(part(1)) + probe.answer(part(2))
    actions += probe.answer(.done)
    var lists = ResponderLists()
    var whole: RespondersFrame?
    for case .deliver(.responders(let frame), _) in actions { whole = lists.add(frame) ?? whole }
    #expect(whole?.responders.map(\.name) == ["a0", "a1", "a2"])
    #expect(words(actions) == Array(repeating: "deliver(responders)", count: 3) + ["up"])
  }

  @Test("is told nothing where not all can be said, and everything in the next attempt")
  func notNow() throws {
    var probe = SessionProbe.restoring()
    _ = probe.session.ask(.watch, nil, "kept")
    let actions = probe.restore(nil)
    #expect(words(actions) == ["lost(kept)"] && probe.session.phase == .down)
    #expect(probe.session.dueNs == probe.nowNs + SessionProbe.pauseNs)
    #expect(probe.session.nextOutbound == nil, "no end of a restoring that was none")
    probe.nowNs = probe.session.dueNs
    probe.connect()
    _ = probe.answer(.welcome(SessionProbe.welcome))
    let collect = probe.answer(.registered(SessionProbe.registered(ticket: 3)))
    #expect(words(collect) == ["registered", "collect"])
    probe.restore([Self.log(1)])
    let first = probe.sent()
    #expect(first?.frame == Self.log(1).frame)
  }

  @Test("a subscription that is refused loses its readings alone; a stream ends the agent")
  func refused() {
    var probe = SessionProbe.restoring()
    probe.restore(Self.subscription(2) + Self.subscription(3))
    let refused = probe.answer(SessionProbe.error(.denied))
    #expect(words(refused) == ["refused(2, DENIED)"])
    let kinds = probe.allSent().map(\.kind)
    #expect(kinds == [.restoreSubscription], "the readings of 2 are not told")
    var other = SessionProbe.restoring()
    other.restore([Self.log(1), Self.log(2)])
    let ended = other.answer(SessionProbe.error(.fenced))
    #expect(words(ended) == ["ended(FENCED)"])
  }

  @Test("names and blobs that find no room are given up, other errors try again")
  func tolerated() {
    let name = AgentFrame.resolve(NameFrame(name: "n", group: .service))
    let subjects: [(Step.Subject, BusErrorCode, Bool)] = [
      (.name(name), .resourceExhausted, true), (.name(name), .nameInUse, true),
      (.name(name), .denied, true), (.name(name), .invalid, false),
      (.blob(SessionProbe.id), .invalid, true), (.blob(SessionProbe.id), .timeout, false),
      (.stream(StreamID(1)), .resourceExhausted, false), (.subscription(1), .invalid, false),
    ]
    for (subject, code, goesOn) in subjects {
      var probe = SessionProbe.restoring()
      probe.restore([Step(subject, name)])
      let actions = probe.answer(SessionProbe.error(code))
      #expect(words(actions).count == (goesOn ? 1 : 0), "\(subject) \(code)")
      #expect(probe.session.isConnected == goesOn, "\(subject) \(code)")
    }
  }

  @Test("is begun anew where the connection goes at any frame, as the same agent")
  func lostAnywhere() throws {
    let steps = [Self.log(1), Self.log(2)] + Self.subscription(3)
    for place in 0..<steps.count {
      var probe = SessionProbe.restoring()
      probe.restore(steps)
      for _ in 0..<place { _ = probe.answer(.done) }
      let actions = probe.lose()
      #expect(actions.isEmpty && probe.session.phase == .down)
      probe.nowNs = probe.session.dueNs
      probe.connect()
      _ = probe.answer(.welcome(SessionProbe.welcome))
      let reattachAsked = probe.sent()
      let reattach = try #require(reattachAsked)
      guard case .reattach(let frame) = reattach.frame else {
        Issue.record("\(reattach.frame)")
        continue
      }
      #expect(frame.incarnation == SessionProbe.incarnation && reattach.descriptor == 5)
      #expect(frame.ticket == SessionProbe.registered(ticket: 2).ticket)
      _ = probe.receive(
        .registered(SessionProbe.registered(ticket: 3)), request: reattach.request)
      probe.restore(steps)
      #expect(probe.sent()?.frame == steps[0].frame)
    }
  }
}
