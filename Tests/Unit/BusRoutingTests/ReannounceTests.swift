import BusRouting
import BusWire
import RouterHarness
import Testing

@Suite("Streams that are announced again")
struct ReannounceTests {
  private static func ask(
    _ world: inout RouterHarness, _ agent: ConnectionID, _ stream: StreamID,
    _ subscription: UInt32 = 1
  ) -> [RouterFrame] {
    world.ask(
      agent, .reannounce(ReannounceFrame(subscription: subscription, stream: stream)))
  }

  /// A reader that was told of a stream.
  private static func told() throws -> (
    world: RouterHarness, reader: ConnectionID, feed: ConnectionID, stream: StreamID,
    first: AnnounceFrame
  ) {
    var world = RouterHarness()
    let reader = world.agent("reader")
    let feed = world.agent("feed")
    world.subscribe(reader, "a")
    let stream = world.publish(feed, "feed", "a")
    return (world, reader, feed, stream, try #require(world.announces(to: reader).last))
  }

  @Test("a reader that could not take a log and let go of it is given the stream anew")
  func anew() throws {
    var (world, reader, _, stream, first) = try Self.told()
    world.say(reader, .detach(DetachFrame(attachment: first.attachment)))
    world.forgetSent()
    let answers = Self.ask(&world, reader, stream)
    #expect(answers == [.done])
    let second = try #require(world.announces(to: reader).last)
    #expect(second.stream == stream && second.attachment != first.attachment)
    #expect(world.announces(to: reader).count == 1)
  }

  @Test("a reader that missed the log that follows is told of all logs of the same reading")
  func next() throws {
    var (world, reader, feed, stream, first) = try Self.told()
    world.say(reader, .attach(AttachFrame(attachment: first.attachment, slot: 1)))
    _ = world.addLog(
      feed, "feed", "a", stream: stream, generation: 1, base: 4096, capacity: 128 << 10)
    world.forgetSent()
    let answers = Self.ask(&world, reader, stream)
    #expect(answers == [.done])
    let announces = world.announces(to: reader)
    #expect(announces.map(\.generation) == [0, 1])
    #expect(announces.allSatisfy { $0.attachment == first.attachment })
  }

  @Test("what is not there, not subscribed, over or not allowed is refused")
  func refused() throws {
    var (world, reader, feed, stream, first) = try Self.told()
    let other = world.publish(feed, "feed", "b")
    for (number, subscription) in [(stream, 2), (other, 1), (StreamID(77), 1)]
      as [(StreamID, UInt32)]
    {
      let answers = Self.ask(&world, reader, number, subscription)
      #expect(errorCode(answers) == .invalid)
    }
    let spy = world.agent("spy")
    let spied = Self.ask(&world, spy, stream)
    #expect(errorCode(spied) == .invalid)
    world.say(
      feed, .evict(EvictFrame(attachment: first.attachment, reason: "too slow")))
    let evicted = Self.ask(&world, reader, stream)
    #expect(errorCode(evicted) == .invalid)
    world.say(reader, .detach(DetachFrame(attachment: first.attachment)))
    world.say(feed, .closeStream(CloseStreamFrame(stream: stream)))
    let over = Self.ask(&world, reader, stream)
    #expect(errorCode(over) == .invalid)
  }
}
