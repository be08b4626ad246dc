import BusAccess
import BusPorts
import BusRouting
import BusWire
import RouterHarness
import Testing

@Suite("Streams and their readers")
struct StreamTests {
  @Test("at a first publish readers are told from the start, then the publisher whom to expect")
  func firstPublish() throws {
    var world = RouterHarness()
    let lossless = world.agent("lossless")
    let lossy = world.agent("lossy")
    world.subscribe(lossless, "alerts.>")
    world.subscribe(lossy, "alerts.disk", mode: .lossy)
    let publisher = world.agent("feed")
    world.forgetSent()
    let actions = world.addLog(publisher, "feed", "alerts").answers
    let heard = try #require(world.announces(to: lossless).first)
    #expect(heard.flags == [.fromStart, .current])
    #expect(heard.publisherName == "feed" && heard.channel == "alerts")
    #expect(world.announces(to: lossy).count == 1)
    guard case .logAdded(let added)? = actions.first else {
      Issue.record("the log was not taken")
      return
    }
    #expect(actions.count == 1 && added.stream == heard.stream && added.generation == 0)
    #expect(added.expected == [heard.attachment] && added.proof != .none)
  }

  @Test("announces go out before the publisher's answer, and before the subscriber's")
  func order() {
    var world = RouterHarness()
    let reader = world.agent("reader")
    world.subscribe(reader, "a")
    let publisher = world.agent("feed")
    let shape = LogShape(
      segmentBytes: 73728, capacity: 65536, agent: RouterHarness.uuid("feed"),
      incarnation: world.incarnations[publisher] ?? Incarnation(0), basePosition: 0,
      baseSequence: 0, generation: 0, hotOffset: 512, channel: "a")
    let segment = world.segment(73728, .log(shape))
    let frame = AddLogFrame(
      stream: StreamID(0), channel: "a", generation: 0, capacity: 65536, segmentBytes: 73728)
    let first = world.happen(.frame(publisher, request: 4, .addLog(frame), [segment]))
    #expect(kinds(first) == [.announce, .logAdded])
    let late = world.agent("late")
    let subscribe = SubscribeFrame(
      subscription: 1, pattern: "a", mode: .lossy, sleeps: false, epoch: 0)
    let second = world.happen(.frame(late, request: 5, .subscribe(subscribe), []))
    #expect(kinds(second) == [.announce, .subscribed])
    #expect(world.announces(to: late).first?.flags == [.current])
  }

  @Test("a reader's slot reaches the publisher with its segment, the answer the reader")
  func join() throws {
    var world = RouterHarness()
    let publisher = world.agent("feed")
    _ = world.publish(publisher, "feed", "a")
    let reader = world.agent("reader")
    world.subscribe(reader, "a")
    let attachment = try #require(world.announces(to: reader).first?.attachment)
    let asked = world.say(reader, .attach(AttachFrame(attachment: attachment, slot: 17)))
    guard case .send(publisher, .news, .join(let join), let token)? = asked.first else {
      Issue.record("the publisher was not asked")
      return
    }
    #expect(join.slot == 17 && join.epoch == 3 && join.flags == [.lossless, .sleeps])
    #expect(token.map { world.open[$0] } == RouterHarness.readerBytes)
    let joined = JoinedFrame(
      attachment: attachment, generation: 0, startPosition: 128, startSequence: 2,
      departed: 128)
    world.say(publisher, .joined(joined))
    #expect(world.frames(to: reader).last == .joined(joined))
    world.say(reader, .detach(DetachFrame(attachment: attachment)))
    #expect(world.frames(to: publisher).last == .leave(LeaveFrame(attachment: attachment)))
  }

  @Test("a publisher that closed before it looked at a join turns nobody away by refusing it")
  func refusedAfterClose() throws {
    var world = RouterHarness()
    let publisher = world.agent("feed")
    let early = world.agent("early")
    let late = world.agent("late")
    world.subscribe(early, "a")
    let log = world.addLog(publisher, "feed", "a")
    world.subscribe(late, "a")
    let stream = try #require(world.streams.last)
    let readers = [early, late]
    let attachments = try readers.map { try #require(world.announces(to: $0).first?.attachment) }
    for (reader, attachment) in zip(readers, attachments) {
      world.say(reader, .attach(AttachFrame(attachment: attachment, slot: 17)))
    }
    world.logs.progress[log.token] = LogProgress(commit: 6400, sequence: 100)
    world.forgetSent()
    world.say(publisher, .closeStream(CloseStreamFrame(stream: stream)))
    for attachment in attachments {
      world.say(publisher, .joinRefused(JoinRefusedFrame(attachment: attachment, reason: "over")))
    }
    let ended = RouterFrame.streamEnded(
      StreamEndedFrame(stream: stream, finalPosition: 6400, reason: .closed))
    let starts: [(position: UInt64, sequence: UInt64)] = [(0, 0), (6400, 100)]
    for (place, start) in starts.enumerated() {
      let joined = JoinedFrame(
        attachment: attachments[place], generation: 0, startPosition: start.position,
        startSequence: start.sequence, departed: 0)
      #expect(world.frames(to: readers[place]) == [.joined(joined), ended])
    }
  }

  @Test("a rotation is announced to every reader first; the old log lives until it is released")
  func rotation() throws {
    var world = RouterHarness()
    let publisher = world.agent("feed")
    let reader = world.agent("reader")
    world.subscribe(reader, "a")
    let stream = world.publish(publisher, "feed", "a")
    let attachment = try #require(world.announces(to: reader).first?.attachment)
    let before = world.router.arenaBytesUsed
    let added = world.addLog(
      publisher, "feed", "a", stream: stream, generation: 1, base: 4096, capacity: 262144)
    #expect(kinds(added.answers) == [.logAdded])
    #expect(world.announces(to: reader).map(\.generation) == [0, 1])
    world.say(publisher, .retireLog(RetireLogFrame(stream: stream, generation: 0)))
    #expect(world.router.arenaBytesUsed == before + 262144 + 8192)
    world.say(reader, .released(ReleasedFrame(attachment: attachment, generation: 0)))
    #expect(world.router.arenaBytesUsed == before - 65536 + 262144)
    #expect(world.router.arenaBytesUsed == world.open.values.reduce(0, +))
  }

  @Test("a log may grow to hold the largest payload, and no further; the refusal says what to do")
  func largest() throws {
    var world = RouterHarness()
    let publisher = world.agent("feed")
    let stream = world.publish(publisher, "feed", "a")
    let before = world.router.arenaBytesUsed
    let over = world.addLog(
      publisher, "feed", "a", stream: stream, generation: 1, base: 4096, capacity: 128 << 20)
    guard case .error(let error)? = over.answers.first else {
      Issue.record("a log beyond the limit was taken")
      return
    }
    #expect(error.code == BusErrorCode.resourceExhausted.rawValue)
    #expect(error.text.contains("67108864") && error.text.contains("--log-most"))
    #expect(world.router.arenaBytesUsed == before)
    let added = world.addLog(
      publisher, "feed", "a", stream: stream, generation: 1, base: 4096, capacity: 64 << 20)
    #expect(kinds(added.answers) == [.logAdded])
    #expect(world.router.arenaBytesUsed == world.open.values.reduce(0, +))
  }

  @Test("only the next generation of one's own stream is taken; the newest cannot be retired")
  func wrongRotation() {
    var world = RouterHarness()
    let publisher = world.agent("feed")
    let thief = world.agent("thief")
    let stream = world.publish(publisher, "feed", "a")
    let skip = world.addLog(publisher, "feed", "a", stream: stream, generation: 2)
    #expect(errorCode(skip.answers) == .invalid)
    let stolen = world.addLog(thief, "thief", "a", stream: stream, generation: 1)
    #expect(errorCode(stolen.answers) == .invalid)
    let retire = RetireLogFrame(stream: stream, generation: 0)
    #expect(errorCode(world.ask(publisher, .retireLog(retire))) == .invalid)
    #expect(world.router.arenaBytesUsed == world.open.values.reduce(0, +))
  }

  @Test("a publisher cannot answer for another's stream, nor a reader use another's attachment")
  func foreignAttachment() throws {
    var world = RouterHarness()
    let publisher = world.agent("feed")
    let reader = world.agent("reader")
    let thief = world.agent("thief")
    world.subscribe(reader, "a")
    _ = world.publish(publisher, "feed", "a")
    let attachment = try #require(world.announces(to: reader).first?.attachment)
    world.say(thief, .attach(AttachFrame(attachment: attachment, slot: 0)))
    world.say(thief, .detach(DetachFrame(attachment: attachment)))
    world.say(thief, .evict(EvictFrame(attachment: attachment, reason: "mine")))
    let joined = JoinedFrame(
      attachment: attachment, generation: 0, startPosition: 0, startSequence: 0, departed: 0)
    #expect(errorCode(world.ask(thief, .joined(joined))) == .invalid)
    #expect(world.frames(to: reader).count { $0.kind == .evicted || $0.kind == .joinedReader } == 0)
    #expect(world.router.attachmentCount == 1)
  }

  @Test("a query says how far each reader is, whatever the words of its segment claim")
  func headway() throws {
    var world = RouterHarness()
    let publisher = world.agent("feed")
    let reader = world.agent("reader")
    let log = world.addLog(publisher, "feed", "a").token
    world.subscribe(reader, "a")
    let attachment = try #require(world.announces(to: reader).first?.attachment)
    world.logs.progress[log] = LogProgress(commit: 6400, sequence: 100)
    func say(_ attachment: UInt64, _ cursor: UInt64, _ received: UInt64, _ gaps: UInt64) {
      world.logs.slots[17] = SlotProgress(
        attachment: attachment, cursor: cursor, received: received, gaps: gaps)
    }
    func shown() -> [String?] {
      let row = world.rows(reader, .attachments).first ?? [:]
      return [row["behind_bytes"], row["received"], row["gaps"]]
    }
    say(attachment.value, 0, 0, 0)
    #expect(shown() == [nil, nil, nil], "it has not joined")
    world.say(reader, .attach(AttachFrame(attachment: attachment, slot: 17)))
    let joined = JoinedFrame(
      attachment: attachment, generation: 0, startPosition: 640, startSequence: 10, departed: 0)
    world.say(publisher, .joined(joined))
    #expect(shown() == ["5760", "0", "0"], "it has read nothing since it joined")
    say(attachment.value, 4800, 60, 5)
    #expect(shown() == ["1600", "60", "5"])
    say(attachment.value, .max, .max, .max)
    #expect(shown() == ["0", "100", "100"], "more than was ever sent")
    say(attachment.value + 1, 4800, 60, 5)
    #expect(shown() == [nil, nil, nil], "the line serves somebody else")
    world.logs.slots[17] = nil
    #expect(shown() == [nil, nil, nil], "the segment cannot be read")
  }

  @Test("a query counts what a stream holds, also when its newest log is unused, and at its end")
  func counts() throws {
    var world = RouterHarness()
    let publisher = world.agent("feed")
    let reader = world.agent("reader")
    world.subscribe(reader, "a")
    let first = world.addLog(publisher, "feed", "a").token
    let stream = try #require(world.streams.last)
    let attachment = try #require(world.announces(to: reader).first?.attachment)
    world.say(reader, .attach(AttachFrame(attachment: attachment, slot: 17)))
    func shown() -> [String?] {
      let row = world.rows(reader, .streams).first ?? [:]
      return [row["generation"], row["messages"], row["commit"]]
    }
    world.logs.progress[first] = LogProgress(commit: 6400, sequence: 100)
    #expect(shown() == ["0", "100", "6400"])
    let larger = world.addLog(
      publisher, "feed", "a", stream: stream, generation: 1, base: 6400, capacity: 262144
    ).token
    world.logs.progress[larger] = LogProgress(commit: 0, sequence: 0)
    #expect(shown() == ["1", "100", "6400"], "nothing lies in the larger log yet")
    world.logs.progress[larger] = LogProgress(commit: 6464, sequence: 101)
    #expect(shown() == ["1", "101", "6464"])
    world.logs.progress[larger] = LogProgress(commit: 0, sequence: 0)
    world.say(publisher, .closeStream(CloseStreamFrame(stream: stream)))
    #expect(shown() == ["1", "100", "6400"], "it is over and not yet read")
  }

  @Test("an evicted reader is told once, and no longer of new logs")
  func eviction() throws {
    var world = RouterHarness()
    let publisher = world.agent("feed")
    let reader = world.agent("reader")
    world.subscribe(reader, "a")
    let stream = world.publish(publisher, "feed", "a")
    let attachment = try #require(world.announces(to: reader).first?.attachment)
    for _ in 0..<2 {
      world.say(publisher, .evict(EvictFrame(attachment: attachment, reason: "slow")))
    }
    #expect(world.frames(to: reader).count { $0.kind == .evicted } == 1)
    _ = world.addLog(publisher, "feed", "a", stream: stream, generation: 1, base: 64)
    #expect(world.announces(to: reader).count == 1)
  }
}

/// The kinds of the frames that are sent, in order.
func kinds(_ actions: [RouterAction]) -> [ControlKind] {
  actions.compactMap { action in
    if case .send(_, _, let frame, _) = action { frame.kind } else { nil }
  }
}

func kinds(_ frames: [RouterFrame]) -> [ControlKind] { frames.map(\.kind) }
