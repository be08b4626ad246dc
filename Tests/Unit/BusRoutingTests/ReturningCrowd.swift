import BusAccess
import BusPorts
import BusRouting
import BusWire
import RouterHarness
import Testing

/// A publisher of a former router with streams `c0`, `c1` and so on, and agents who say that they
/// read them.
struct ReturningCrowd {
  typealias Veteran = ReattachTests.Veteran

  let publisher: Veteran
  let readers: [Veteran]
  let streams: [(id: StreamID, proof: ControlTicket)]

  init(readers count: Int, streams: Int) throws {
    var former = RouterHarness(bootNs: 500)
    let connection = former.agent("crowd.feed")
    publisher = try ReattachTests.veteran("crowd.feed", connection, former)
    var made: [(id: StreamID, proof: ControlTicket)] = []
    for number in 0..<streams {
      let stream = former.publish(connection, "crowd.feed", "c\(number)")
      made.append((stream, try #require(former.proofs[stream])))
    }
    self.streams = made
    readers = try (0..<count).map { number in
      let connection = former.agent("crowd.\(number)")
      return try ReattachTests.veteran("crowd.\(number)", connection, former)
    }
  }

  /// A router that may see them again, and which these users may use.
  static func world(_ limits: RouterLimits, users: Set<UInt32>) throws -> RouterHarness {
    var rule = try AgentRule.everything(">", users: users)
    rule.holdBack = rule.read
    var policy = Policy()
    try policy.add(rule)
    var world = RouterHarness(
      policy: policy, limits: limits, bootNs: 1_000_000, former: .killed, uid: 1)
    world.happen(.tick(nowNs: 50))
    return world
  }

  /// The number under which a reader says it reads a stream through its subscription.
  static func number(_ reader: Int, _ stream: Int, _ subscription: Int = 1) -> AttachmentID {
    AttachmentID(UInt64(100_000 + reader * 10_000 + stream * 10 + subscription))
  }

  /// A reader comes back with so many subscriptions, each of which it says has read every stream
  /// with one of these numbers; those that nobody publishes included.
  func readerReturns(
    _ reader: Int, streams wanted: Range<Int>, subscriptions: Int = 1, uid: UInt32,
    _ world: inout RouterHarness
  ) -> ConnectionID {
    let (connection, _) = ReattachTests.reattach(readers[reader], &world, uid: uid)
    for subscription in 1...subscriptions {
      ReattachTests.restoreSubscription(
        ">", number: UInt32(subscription), connection, &world)
      for place in wanted {
        world.say(connection, .restoreAttachment(claim(reader, place, subscription)))
      }
    }
    #expect(world.ask(connection, .restoreDone) == [.done])
    return connection
  }

  /// What a reader says that a subscription of it has read.
  func claim(_ reader: Int, _ place: Int, _ subscription: Int) -> RestoreAttachmentFrame {
    let isThere = streams.indices.contains(place)
    return RestoreAttachmentFrame(
      attachment: Self.number(reader, place, subscription), subscription: UInt32(subscription),
      stream: isThere ? streams[place].id : StreamID(UInt64(10_000 + place)),
      publisherIncarnation: publisher.incarnation, publisherName: publisher.name,
      publisher: RouterHarness.uuid(publisher.name), channel: "c\(place)", slot: UInt16(place),
      joined: true)
  }

  /// The publisher comes back, and confirms as many readings of all its streams.
  func publisherReturns(
    subscriptions: Int = 1, uid: UInt32, isDone: Bool = true, _ world: inout RouterHarness
  ) -> ConnectionID {
    let (connection, _) = ReattachTests.reattach(publisher, &world, uid: uid)
    for (place, stream) in streams.enumerated() {
      let log = LogShape(
        segmentBytes: 73728, capacity: 65536, agent: RouterHarness.uuid(publisher.name),
        incarnation: publisher.incarnation, basePosition: 0, baseSequence: 0, generation: 0,
        hotOffset: 512, channel: "c\(place)")
      let answers = ReattachTests.restoreLog(log, stream.id, stream.proof, connection, &world)
      #expect(kinds(answers) == [.logAdded])
      for (reader, veteran) in readers.enumerated() {
        for subscription in 1...subscriptions {
          let word = RestoreReaderFrame(
            stream: stream.id, attachment: Self.number(reader, place, subscription),
            readerIncarnation: veteran.incarnation)
          world.say(connection, .restoreReader(word))
        }
      }
    }
    if isDone { #expect(world.ask(connection, .restoreDone) == [.done]) }
    return connection
  }
}
