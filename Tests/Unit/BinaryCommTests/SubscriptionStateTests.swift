import BinaryComm
import BusTestSupport
import BusWire
import Testing

@Suite("What a subscription reads")
struct SubscriptionStateTests {
  private typealias Probe = SubscriptionProbe

  /// As #expect, for words that come of a change.
  private func check(
    _ words: [String], _ expected: [String] = [],
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(words == expected, sourceLocation: sourceLocation)
  }

  // MARK: From an announcement to a start

  @Test("a stream is announced, mapped, given a cursor, and read from where its publisher says")
  func way() throws {
    var probe = try Probe.confirmed()
    check(probe.announced(1), ["map(1, 0, new, 9)"])
    let announce = Probe.announce(1)
    check(
      words(probe.state.mapped(announce, isNew: true, 70)), ["settle(101)", "takeCursor(1, 70)"])
    check(words(probe.state.attach(announce, 70, slot: 6, "here")), ["attach(1, 6)"])
    #expect(probe.state.waiting.map(\.source.publisherName) == ["writer"])
    check(probe.join(1), ["opened(1, 64, [0], here counted)"])
    #expect(probe.state.waiting.isEmpty && probe.state.reads(StreamID(101)))
    let reading = probe.state.readings[AttachmentID(1)]
    #expect(reading?.start?.sequence == 3 && reading?.start?.departed == 1 && reading?.slot == 6)
  }

  @Test("a log that follows is told at once where the reading began, and with its start otherwise")
  func following() throws {
    for hasStarted in [true, false] {
      var probe = try Probe.confirmed()
      probe.offer(1)
      if hasStarted { _ = probe.join(1) }
      check(probe.announced(1, 1), ["map(1, 1, next, 9)"])
      let mapped = words(probe.state.mapped(Probe.announce(1, 1), isNew: false, 71))
      check(mapped, hasStarted ? ["settle(101)", "log(1, 1, 71)"] : ["settle(101)"])
      if !hasStarted { check(probe.join(1), ["opened(1, 64, [0, 1], place 1 counted)"]) }
    }
  }

  @Test("the log being read is kept as it is; one that was to follow is mapped again")
  func announcedAgain() throws {
    var probe = try Probe.confirmed()
    probe.start(1)
    _ = probe.state.mapped(Probe.announce(1, 1), isNew: false, 71)
    check(probe.announced(1, 0))
    check(probe.announced(1, 1), ["map(1, 1, next, 9)"])
    check(words(probe.state.release(AttachmentID(1), 0)), ["released(1, 0)"])
    check(probe.announced(1, 1))
  }

  @Test("nothing is mapped for another subscription, of what is held, given up, or after the end")
  func notMapped() throws {
    var probe = try Probe.confirmed()
    check(probe.hear(.announce(Probe.announce(1, subscription: 6)), descriptor: 9))
    check(probe.hear(.announce(Probe.announce(1, flags: .held))))
    probe.start(1)
    check(probe.finish(1), ["free(place 1 counted)", "detach(1)"])
    check(probe.announced(1))
    _ = probe.state.close()
    check(probe.announced(2))
  }

  @Test("of readings that were given up the last 64 are kept in mind")
  func finishedKept() throws {
    var probe = try Probe.confirmed()
    for reading in 1...65 as ClosedRange<UInt64> {
      check(probe.finish(reading), ["detach(\(reading))"])
    }
    check(probe.announced(1), ["map(1, 0, new, 9)"])
    check(probe.announced(2))
  }

  @Test("a publisher lets in whoever waits, once, and where the log is that it names")
  func joinedWrongly() throws {
    var probe = try Probe.confirmed()
    check(probe.join(1))
    probe.offer(1)
    check(probe.join(1, 3))
    #expect(probe.state.waiting.count == 1)
    check(probe.join(1), ["opened(1, 64, [0], place 1 counted)"])
    check(probe.join(1))
    #expect(probe.state.readings[AttachmentID(1)]?.place == "place 1 counted")
    _ = probe.finish(1)
    check(probe.join(1))
  }

  // MARK: What is not read

  @Test("a log without room is asked for again, one that is broken told at once")
  func unmapped() throws {
    let announce = Probe.announce(1)
    for (error, told) in [
      (BusError.resourceExhausted("no memory", cause: .memory), "lose(101, writer)"),
      (.corrupt("not a log"), "refused(writer, CORRUPT)"),
    ] {
      var probe = try Probe.confirmed()
      check(words(probe.state.unmapped(announce, isNew: true, error)), [told, "detach(1)"])
      check(probe.announced(1))
      probe.start(2)
      // The log before it is still read to its end.
      check(
        words(probe.state.unmapped(Probe.announce(2, 1), isNew: false, error)),
        [told.replacing("101", with: "102")])
      #expect(probe.state.reads(StreamID(102)))
    }
  }

  @Test("a stream without a cursor is let go, and may be announced again")
  func noCursor() throws {
    var probe = try Probe.confirmed()
    check(
      words(probe.state.noCursor(Probe.announce(1))),
      ["refused(writer, RESOURCE_EXHAUSTED)", "detach(1)"])
    check(probe.announced(1), ["map(1, 0, new, 9)"])
  }

  @Test("a cursor that comes after the end is given back")
  func attachedAfterEnd() throws {
    var probe = try Probe.confirmed()
    check(words(probe.state.close()), ["delist", "unsubscribe(5)"])
    check(words(probe.state.attach(Probe.announce(1), 70, slot: 6, "late")), ["free(late)"])
    #expect(probe.state.isClosed && probe.state.readings.isEmpty)
  }

  @Test("a stream that is missed is told to whom it names, and to those after it that lack it")
  func missed() throws {
    var probe = try Probe.confirmed()
    probe.start(1)
    let told = ["refused(writer, RESOURCE_EXHAUSTED)"]
    check(probe.hear(Probe.missed(1, by: Probe.number)), told)
    check(probe.hear(Probe.missed(2, by: Probe.number)), told)
    check(probe.hear(Probe.missed(1, by: Probe.number - 1)))
    check(probe.hear(Probe.missed(2, by: Probe.number - 1)), told)
    check(probe.hear(Probe.missed(2, by: Probe.number + 1)))
    check(probe.hear(Probe.missed(2, by: Probe.number - 1, on: "other")))
    check(probe.hear(Probe.missed(2, by: Probe.number - 1, on: "*")))
  }

  // MARK: Ends

  @Test("a stream that ends is read to its end where it began, and let go otherwise")
  func ended() throws {
    var probe = try Probe.confirmed()
    probe.start(1)
    check(probe.hear(Probe.ended(1)), ["ended(1, 640)"])
    #expect(probe.state.reads(StreamID(101)), "until the reading thread has drained it")
    check(probe.hear(Probe.ended(1)), ["ended(1, 640)"])
    probe.offer(2)
    check(probe.hear(Probe.ended(2)), ["free(place 2)", "detach(2)"])
    check(probe.hear(Probe.ended(2)))
    check(probe.hear(Probe.ended(9)))
  }

  @Test("an eviction is told where the reading began, and is why there is none otherwise")
  func evicted() throws {
    var probe = try Probe.confirmed()
    probe.start(1)
    probe.offer(2)
    check(probe.hear(Probe.evicted(1)), ["evicted(1, slow)"])
    check(
      probe.hear(Probe.evicted(2)), ["refused(writer, EVICTED)", "free(place 2)", "detach(2)"])
    check(probe.hear(Probe.evicted(2)))
    check(probe.hear(Probe.evicted(9)))
  }

  @Test("a reading that is over is free once, and the router is told each time")
  func finished() throws {
    var probe = try Probe.confirmed()
    probe.start(1)
    check(probe.finish(1), ["free(place 1 counted)", "detach(1)"])
    check(probe.finish(1), ["detach(1)"])
    check(words(probe.state.release(AttachmentID(1), 0) { $0 = "other" }), ["released(1, 0)"])
    #expect(probe.state.readings.isEmpty)
  }

  @Test("a subscription that is closed lets go of all, after nobody is told of it any more")
  func closed() throws {
    var probe = try Probe.confirmed()
    probe.start(1)
    probe.offer(2)
    check(
      words(probe.state.close()),
      [
        "delist", "unsubscribe(5)", "free(place 1 counted)", "detach(1)", "free(place 2)",
        "detach(2)",
      ])
    check(words(probe.state.close()), ["delist", "unsubscribe(5)"])
  }

  // MARK: Snapshots

  @Test("a snapshot ends what it does not name, whether by a log, by an end, or as new")
  func snapshot() throws {
    var probe = try Probe.confirmed()
    for reading in 1...3 as ClosedRange<UInt64> { probe.start(reading) }
    probe.offer(4)
    check(probe.hear(PublisherProbe.snapshotEnd))
    check(probe.hear(PublisherProbe.snapshotBegin))
    check(probe.announced(1))
    check(probe.hear(Probe.ended(2)), ["ended(2, 640)"])
    probe.offer(5)
    check(probe.hear(PublisherProbe.snapshotEnd), ["ended(3)", "free(place 4)", "detach(4)"])
    check(probe.hear(PublisherProbe.snapshotEnd))
  }

  // MARK: Another router

  @Test("another router is told the subscription and its readings, begun or not")
  func restored() throws {
    var probe = try Probe.confirmed()
    probe.start(3)
    probe.offer(1)
    let (steps, before) = probe.restored()
    check(steps, ["subscription(5, 2)", "reading(1, 1)", "reading(3, 3, joined)"])
    check(before)
    let frames = probe.state.restore().steps.map(\.frame)
    guard case .restoreAttachment(let frame) = frames[1] else {
      Issue.record("no reading")
      return
    }
    #expect(frame.stream == StreamID(101) && frame.publisherIncarnation == Probe.publisher)
    #expect(frame.publisherName == "writer" && frame.channel == "ticks" && !frame.fromStart)
    #expect(probe.state.restore().steps.map(\.hasAnswer) == [true, false, false])
  }

  @Test("nothing of one that is still asked for, whose readings begin anew under other numbers")
  func unconfirmed() throws {
    var probe = try Probe()
    probe.start(1)
    probe.offer(2)
    let (steps, before) = probe.restored()
    check(steps)
    check(
      before,
      ["free(place 1 counted)", "detach(1)", "free(place 2)", "detach(2)", "forgetNews"])
    check(probe.announced(1))
    check(probe.announced(3), ["map(3, 0, new, 9)"])
  }

  // MARK: In any order

  @Test("whatever comes in which order, a place is free once, and none is kept after the end")
  func orders() throws {
    var seeds = Seed.announced(for: "a subscription").generator()
    for _ in 0..<2000 {
      let seed = seeds.next()
      let complaint = try play(seed)
      #expect(complaint == nil, "seed \(seed)")
    }
  }

  /// Plays events in an order that follows from the seed; what is wrong, nil when nothing is.
  private func play(_ seed: UInt64) throws -> String? {
    var random = Seed(seed).generator()
    var probe = try Probe()
    var held: Set<String> = []
    var places = 0
    for step in 0..<100 {
      let reading = UInt64(step / 8) + random.next() % 4
      let announce = Probe.announce(reading, UInt32(random.next() % 3))
      var actions: [Probe.State.Action] = []
      switch random.next() % 10 {
      case 0...3: actions = probe.state.hear(.announce(announce), 9)
      case 4: actions = probe.state.join(Probe.joined(reading)) { _ in }
      case 5: actions = probe.state.hear(Probe.ended(reading))
      case 6: actions = probe.state.hear(Probe.evicted(reading))
      case 7: actions = probe.state.finish(AttachmentID(reading))
      case 8: probe.state.confirm()
      default:
        if step % 2 == 0 { actions = probe.state.restore().before }
        if step > 80 { actions = probe.state.close() }
      }
      while !actions.isEmpty {
        switch actions.removeFirst() {
        case .map(let announce, let isNew, _):
          // The reading thread may be done with it meanwhile.
          if random.next() % 8 == 0 { actions += probe.state.finish(announce.attachment) }
          actions += probe.state.mapped(announce, isNew: isNew, 70)
        case .takeCursor(let announce, let log):
          places += 1
          held.insert("\(places)")
          actions += probe.state.attach(announce, log, slot: 1, "\(places)")
        case .free(let place):
          if held.remove(place) == nil { return "\(place) was free" }
        default: break
        }
      }
      let known = Set(probe.state.readings.values.map(\.place))
      if known != held { return "\(held) are held for \(known)" }
    }
    return probe.state.isClosed && !held.isEmpty ? "\(held) are kept after the end" : nil
  }
}
