import BinaryComm
import BusLog
import BusWire
import Testing

@Suite("The stream of a publisher: who reads it, its beginning and its end")
struct PublisherStreamStateTests {
  private typealias Probe = PublisherProbe

  /// As #expect, for words that come of a change.
  private func check(
    _ words: [String], _ expected: [String] = [],
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(words == expected, sourceLocation: sourceLocation)
  }

  // MARK: Its beginning and its end

  @Test("it is asked for under no name, and is kept open for whom its router expects")
  func opened() {
    var probe = Probe()
    let first = probe.state.firstLog(Probe.shape)
    #expect(first.stream == StreamID(0) && first.channel == "ticks" && first.generation == 0)
    #expect(first.capacity == 1 << 16 && first.segmentBytes == Probe.shape.segmentBytes)
    check(probe.open(expected: [3, 4]), ["expect(3 4)", "enlist(7)"])
    #expect(probe.state.stream == Probe.stream && probe.state.ended == nil)
  }

  @Test("a second stream, or one for a publisher that is closed, is not left behind")
  func openedTwice() {
    var probe = Probe.registered()
    check(probe.open(stream: StreamID(8)), ["closeStream(8)"])
    #expect(probe.state.stream == Probe.stream)
    var closed = Probe()
    check(words(closed.state.close()), ["delist()", "endWindow"])
    check(closed.open(), ["closeStream(7)"])
    #expect(closed.state.stream == nil)
  }

  @Test("its window ends after the router was told, once")
  func closed() {
    var probe = Probe.registered()
    check(words(probe.state.close()), ["delist(7)", "closeStream(7)", "endWindow"])
    check(words(probe.state.close()))
  }

  @Test("an agent that ends shuts it, before or after its publisher is closed")
  func shut() {
    var probe = Probe.registered()
    check(words(probe.state.shut(.closed("over"))), ["shutWindow"])
    #expect(probe.state.ended == .closed("over"))
    check(words(probe.state.close()), ["delist(7)", "closeStream(7)", "endWindow"])
    check(words(probe.state.shut(.closed("again"))), ["shutWindow"])
    #expect(probe.state.ended == .closed("again"))
  }

  // MARK: Readers come and go

  @Test("a reader that joins is mapped, let in, and told where it begins")
  func join() {
    var probe = Probe.registered()
    check(probe.hear(.join(Probe.join(3)), descriptor: 12), ["letIn(3, 12)"])
    probe.state.admit(Probe.join(3))
    check(words(probe.state.joined(AttachmentID(3), at: Probe.start)), ["joined(3, 64, 2)"])
    let readers = probe.state.readers(in: [AttachmentID(3), AttachmentID(9)])
    #expect(readers == [AttachmentID(3): Incarnation(50)])
    #expect(probe.state.readers(in: []).isEmpty, "the window is what counts")
  }

  @Test("one that joins again is let in again, of the incarnation that was said last")
  func joinTwice() {
    var probe = Probe.registered()
    probe.letIn(3, of: 50)
    check(probe.hear(.join(Probe.join(3, of: 51)), descriptor: 13), ["letIn(3, 13)"])
    probe.state.admit(Probe.join(3, of: 51))
    check(probe.hear(Probe.gone(50)))
    check(probe.hear(Probe.gone(51)), ["takeOut(3)"])
  }

  @Test("one without a descriptor comes to whoever maps it, who says why it does not go")
  func joinWithoutDescriptor() {
    var probe = Probe.registered()
    check(probe.hear(.join(Probe.join(3))), ["letIn(3, none)"])
    check(words(probe.state.refuse(AttachmentID(3), .noDescriptor)), ["joinRefused(3)"])
  }

  @Test("frames about another stream, and before there is a name, concern nobody")
  func otherStream() {
    var unregistered = Probe()
    let other = StreamID(8)
    for frame in [
      RouterFrame.join(Probe.join(3, stream: other)), Probe.added([3], stream: other),
    ] {
      var probe = Probe.registered()
      check(probe.hear(frame))
      check(unregistered.hear(frame))
    }
    check(unregistered.hear(.join(Probe.join(3))))
    check(unregistered.hear(Probe.added([3])))
  }

  @Test("frames that are not of readers are not its business")
  func otherFrames() {
    var probe = Probe.registered()
    for frame in Probe.others { check(probe.hear(frame)) }
  }

  @Test("whoever leaves is taken out of the window, and that it left is news once")
  func leave() {
    var probe = Probe.registered()
    probe.letIn(3)
    check(probe.hear(Probe.leave(3)), ["takeOut(3)"])
    check(words(probe.state.left(AttachmentID(3), wasInWindow: true)), ["readerLeft"])
    check(probe.hear(Probe.leave(3)), ["takeOut(3)"])
    check(words(probe.state.left(AttachmentID(3), wasInWindow: false)))
  }

  @Test("one that the window alone knew, or the publisher alone, has left all the same")
  func leaveHalfKnown() {
    var probe = Probe.registered(expected: [4])
    check(words(probe.state.left(AttachmentID(4), wasInWindow: true)), ["readerLeft"])
    probe.letIn(3)
    check(words(probe.state.left(AttachmentID(3), wasInWindow: false)), ["readerLeft"])
  }

  @Test("an agent's end takes out all of its readers, and nobody else's")
  func agentGone() {
    var probe = Probe.registered()
    probe.letIn(5, of: 50)
    probe.letIn(4, of: 51)
    probe.letIn(3, of: 50)
    check(probe.hear(Probe.gone(50)), ["takeOut(3)", "takeOut(5)"])
    for reader in [3, 5] as [UInt64] {
      _ = probe.state.left(AttachmentID(reader), wasInWindow: true)
    }
    check(probe.hear(Probe.gone(50)))
    check(probe.hear(Probe.gone(99)))
  }

  @Test("one that the window puts out is news for the router, and for the owner if it was let in")
  func evicted() {
    var probe = Probe.registered(expected: [4])
    probe.letIn(3)
    check(words(probe.state.evicted(AttachmentID(3), "slow")), ["readerLeft", "evict(3, slow)"])
    check(words(probe.state.evicted(AttachmentID(4), "slow")), ["evict(4, slow)"])
    check(probe.hear(Probe.leave(3)), ["takeOut(3)"])
    check(words(probe.state.left(AttachmentID(3), wasInWindow: false)))
  }

  // MARK: Readers that are not let in

  @Test(
    "a reader is told why it is not let in, and its publisher keeps in mind what was not its fault",
    arguments: [
      (RefusedJoin.noDescriptor, true), (.noMemory, true), (.noBarrier, true),
      (.unusableSegment, false), (.streamEnded, false), (.evicted, false),
    ])
  func refused(why: RefusedJoin, isOwn: Bool) {
    for closesUnmet in [false, true] {
      var probe = Probe.registered(closesUnmet: closesUnmet)
      let actions = probe.state.refuse(AttachmentID(3), why)
      #expect(probe.state.unmet.count == (isOwn ? 1 : 0))
      guard !isOwn || !closesUnmet else {
        let code = why.ownFailure("writer")?.code.name ?? ""
        check(words(actions), ["unmet(\(code))"])
        continue
      }
      check(words(actions), ["joinRefused(3)"])
      guard case .notify(.router(.joinRefused(let frame))) = actions.first else { continue }
      #expect(frame.reason == why.text("writer"))
    }
  }

  @Test("whom the window refuses is in it no more; what was mapped before stays for all else")
  func refusedLater() {
    for why in [RefusedJoin.streamEnded, .evicted] {
      var probe = Probe.registered()
      probe.letIn(3)
      _ = probe.state.refuse(AttachmentID(3), why)
      check(probe.hear(Probe.gone(50)))
    }
    for why in [RefusedJoin.noDescriptor, .noMemory, .noBarrier, .unusableSegment] {
      var probe = Probe.registered()
      probe.letIn(3)
      _ = probe.state.refuse(AttachmentID(3), why)
      check(probe.hear(Probe.gone(50)), ["takeOut(3)"])
    }
  }

  @Test("a reader that comes after the end is left to the window to refuse")
  func joinAfterEnd() {
    for var probe in [Probe.closed(), Probe.shut()] {
      check(probe.hear(.join(Probe.join(3)), descriptor: 12), ["letIn(3, 12)"])
      check(words(probe.state.refuse(AttachmentID(3), .streamEnded)), ["joinRefused(3)"])
      check(probe.hear(Probe.leave(3)), ["takeOut(3)"])
      check(words(probe.state.left(AttachmentID(3), wasInWindow: false)))
    }
  }

  // MARK: What the router expects, and its snapshots

  @Test("readers that a router expects in the place of others keep the window at its start")
  func expected() {
    var probe = Probe.registered(expected: [3])
    check(probe.hear(Probe.added([4, 5])), ["expectInstead(4 5)"])
    check(
      words(probe.state.wentOn(without: [AttachmentID(4), AttachmentID(5)])),
      ["joinRefused(4)", "joinRefused(5)"])
  }

  @Test("a snapshot takes out whom it does not name, but nobody who came while it was on its way")
  func snapshot() {
    var probe = Probe.registered()
    for reader in 1...4 as ClosedRange<UInt64> { probe.letIn(reader) }
    let window = Set((1...5 as ClosedRange<UInt64>).map { AttachmentID($0) })
    check(probe.hear(Probe.snapshotBegin))
    check(probe.hear(Probe.added([1])))
    check(probe.hear(.join(Probe.join(5)), descriptor: 1), ["letIn(5, 1)"])
    check(probe.hear(Probe.snapshotEnd), ["compareWindow"])
    check(
      words(probe.state.endSnapshot(window: window)), ["takeOut(2)", "takeOut(3)", "takeOut(4)"])
    check(words(probe.state.endSnapshot(window: window)))
  }

  @Test("the end of a snapshot that never began takes nobody out; one that begins anew forgets")
  func brokenSnapshots() {
    var probe = Probe.registered()
    probe.letIn(1)
    check(probe.hear(Probe.snapshotEnd), ["compareWindow"])
    check(words(probe.state.endSnapshot(window: [AttachmentID(1)])))
    _ = probe.hear(Probe.snapshotBegin)
    _ = probe.hear(Probe.added([1]))
    _ = probe.hear(Probe.snapshotBegin)
    check(words(probe.state.endSnapshot(window: [AttachmentID(1)])), ["takeOut(1)"])
    check(probe.hear(Probe.added([1])), ["expectInstead(1)"])
  }
}
