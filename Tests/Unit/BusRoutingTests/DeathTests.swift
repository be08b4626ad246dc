import BusAccess
import BusPorts
import BusRouting
import BusWire
import RouterHarness
import Testing

@Suite("Death and closing")
struct DeathTests {
  /// A publisher `feed` on `a` with one lossless reader that was there before.
  private struct Pair {
    var world = RouterHarness()
    let publisher: ConnectionID
    let reader: ConnectionID
    let stream: StreamID
    let log: DescriptorToken
    let attachment: AttachmentID

    init() throws {
      publisher = world.agent("feed")
      reader = world.agent("reader")
      world.subscribe(reader, "a")
      let added = world.addLog(publisher, "feed", "a")
      log = added.token
      let announce = try #require(world.announces(to: reader).first)
      stream = announce.stream
      attachment = announce.attachment
    }

    mutating func attach() {
      world.say(reader, .attach(AttachFrame(attachment: attachment, slot: 1)))
    }

    mutating func join() {
      let frame = JoinedFrame(
        attachment: attachment, generation: 0, startPosition: 0, startSequence: 0, departed: 0)
      world.say(publisher, .joined(frame))
    }
  }

  @Test("a dead publisher's stream ends at its frozen commit and stays until it is drained")
  func publisherDies() throws {
    var pair = try Pair()
    pair.attach()
    pair.join()
    pair.world.logs.progress[pair.log] = LogProgress(commit: 6400, sequence: 100)
    pair.world.happen(.disconnected(pair.publisher))
    let ended = StreamEndedFrame(stream: pair.stream, finalPosition: 6400, reason: .died)
    #expect(pair.world.frames(to: pair.reader).last == .streamEnded(ended))
    #expect(pair.world.open[pair.log] != nil)
    pair.world.say(pair.reader, .detach(DetachFrame(attachment: pair.attachment)))
    #expect(pair.world.open[pair.log] == nil)
    #expect(pair.world.router.streamCount == 0)
    #expect(pair.world.router.arenaBytesUsed == RouterHarness.readerBytes)
  }

  @Test("whatever a dead publisher left as its commit becomes a record boundary within the stream")
  func hostileCommit() throws {
    var pair = try Pair()
    pair.world.logs.progress[pair.log] = LogProgress(commit: 6401, sequence: .max)
    pair.world.happen(.disconnected(pair.publisher))
    let ended = StreamEndedFrame(stream: pair.stream, finalPosition: 6400, reason: .died)
    #expect(pair.world.frames(to: pair.reader).last == .streamEnded(ended))
  }

  @Test("an expected reader that dies before it took a slot leaves the window by its own name")
  func expectedDies() throws {
    var pair = try Pair()
    pair.world.forgetSent()
    pair.world.happen(.disconnected(pair.reader))
    let leave = LeaveFrame(attachment: pair.attachment)
    #expect(pair.world.frames(to: pair.publisher).contains(.leave(leave)))
  }

  @Test("a larger log that was registered and not yet used does not end the stream early")
  func diesBeforeItsNextLogIsUsed() throws {
    var pair = try Pair()
    pair.attach()
    pair.join()
    let added = pair.world.addLog(
      pair.publisher, "feed", "a", stream: pair.stream, generation: 1, base: 0, capacity: 262144)
    pair.world.logs.progress[pair.log] = LogProgress(commit: 6400, sequence: 100)
    pair.world.logs.progress[added.token] = LogProgress(commit: 0, sequence: 0)
    pair.world.happen(.disconnected(pair.publisher))
    let ended = StreamEndedFrame(stream: pair.stream, finalPosition: 6400, reason: .died)
    #expect(pair.world.frames(to: pair.reader).last == .streamEnded(ended))
  }

  @Test("a publisher may publish and die at once: its readers are let in before they hear of it")
  func deadBeforeJoin() throws {
    var pair = try Pair()
    pair.world.logs.progress[pair.log] = LogProgress(commit: 640, sequence: 10)
    pair.world.happen(.disconnected(pair.publisher))
    let zero = JoinedFrame(
      attachment: pair.attachment, generation: 0, startPosition: 0, startSequence: 0,
      departed: 0)
    let ended = StreamEndedFrame(stream: pair.stream, finalPosition: 640, reason: .died)
    #expect(pair.world.frames(to: pair.reader).suffix(2) == [.joined(zero), .streamEnded(ended)])
    pair.world.forgetSent()
    pair.attach()
    #expect(pair.world.frames(to: pair.reader).isEmpty)
    #expect(pair.world.open[pair.log] != nil)
  }

  @Test("a reader whose join a dead publisher did not answer gets the answer with the end")
  func deadDuringJoin() throws {
    var pair = try Pair()
    pair.attach()
    pair.world.logs.progress[pair.log] = LogProgress(commit: 640, sequence: 10)
    pair.world.happen(.disconnected(pair.publisher))
    let kinds = kinds(pair.world.frames(to: pair.reader)).suffix(2)
    #expect(kinds == [.joinedReader, .streamEnded])
  }

  @Test("who subscribed later and was not joined starts at the end of a dead stream")
  func lateAndDead() throws {
    var pair = try Pair()
    let late = pair.world.agent("late")
    pair.world.subscribe(late, "a", mode: .lossy)
    let attachment = try #require(pair.world.announces(to: late).first?.attachment)
    pair.world.logs.progress[pair.log] = LogProgress(commit: 640, sequence: 10)
    pair.world.happen(.disconnected(pair.publisher))
    let end = JoinedFrame(
      attachment: attachment, generation: 0, startPosition: 640, startSequence: 10,
      departed: 0)
    #expect(pair.world.frames(to: late).dropLast().last == .joined(end))
  }

  @Test("a dead reader leaves every publisher's window with one frame each")
  func readerDies() throws {
    var pair = try Pair()
    pair.attach()
    _ = pair.world.publish(pair.publisher, "feed", "c")
    pair.world.subscribe(pair.reader, ">", number: 2, mode: .lossy)
    let gone = try #require(pair.world.incarnations[pair.reader])
    pair.world.forgetSent()
    pair.world.happen(.disconnected(pair.reader))
    #expect(
      pair.world.frames(to: pair.publisher) == [.agentGone(AgentGoneFrame(incarnation: gone))])
    #expect(pair.world.router.attachmentCount == 0)
  }

  @Test("a closed stream ends as closed and is not offered to new readers")
  func closed() throws {
    var pair = try Pair()
    pair.world.logs.progress[pair.log] = LogProgress(commit: 128, sequence: 1)
    pair.world.say(pair.publisher, .closeStream(CloseStreamFrame(stream: pair.stream)))
    let ended = StreamEndedFrame(stream: pair.stream, finalPosition: 128, reason: .closed)
    #expect(pair.world.frames(to: pair.reader).last == .streamEnded(ended))
    let late = pair.world.agent("late")
    let answer = pair.world.subscribe(late, "a")
    #expect(answer == [.subscribed(SubscribedFrame(subscription: 1, streams: 0))])
    pair.world.say(pair.reader, .unsubscribe(UnsubscribeFrame(subscription: 1)))
    #expect(pair.world.router.streamCount == 0)
  }

  @Test("an overflow's snapshot names everything, and a second one the same")
  func snapshot() throws {
    var pair = try Pair()
    pair.attach()
    pair.join()
    let waiting = pair.world.agent("waiting")
    pair.world.subscribe(waiting, "b")
    _ = pair.world.publish(pair.publisher, "feed", "b")
    let expected = try #require(pair.world.announces(to: waiting).first?.attachment)
    for connection in [pair.reader, pair.publisher] {
      pair.world.forgetSent()
      pair.world.happen(.drained(connection))
      let first = pair.world.frames(to: connection)
      pair.world.forgetSent()
      pair.world.happen(.drained(connection))
      let second = pair.world.frames(to: connection)
      #expect(first.dropFirst().dropLast() == second.dropFirst().dropLast())
      #expect(first.first == .snapshotBegin(SnapshotFrame(generation: 1)))
      #expect(second.last == .snapshotEnd(SnapshotFrame(generation: 2)))
      if connection == pair.reader {
        #expect(kinds(Array(first)) == [.snapshotBegin, .announce, .joinedReader, .snapshotEnd])
      } else {
        #expect(
          kinds(Array(first)) == [.snapshotBegin, .join, .logAdded, .logAdded, .snapshotEnd])
        #expect(
          first.contains { frame in
            if case .logAdded(let added) = frame { added.expected == [expected] } else { false }
          })
      }
    }
  }
}
