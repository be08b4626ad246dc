import BusAccess
import BusPorts
import BusWire

// A stream and those who subscribe to its channel and do not read it yet.

/// How a subscription begins to read a stream.
struct ReadingTerms {
  /// From its first record, or from where it is.
  let fromStart: Bool
  /// Whether the publisher waits for it before it goes on.
  let isExpected: Bool

  /// Nobody waits for it.
  static let fromHere = ReadingTerms(fromStart: false, isExpected: false)
}

/// The readings that a stream was given.
struct NewReadings {
  private(set) var count = 0
  /// Those that its publisher waits for.
  private(set) var expected: [AttachmentID] = []

  mutating func add(_ id: AttachmentID, _ terms: ReadingTerms) {
    count += 1
    if terms.isExpected { expected.append(id) }
  }
}

extension RouterState {
  /// Gives a stream to every subscription that reaches it and does not read it yet, in a fixed
  /// order; returns those readings, of which the readers are told.
  ///
  /// A subscription whose reading of the stream was ended is not given it anew. Of an agent without
  /// the right to read the channel no subscription is looked at, however many there are, nor more
  /// than one of an agent that has no place for the stream.
  ///
  /// How a subscription of its mode is given it, after so many that the publisher waits for,
  /// `terms` say; nil: not at all.
  mutating func meetNewcomers(
    of id: StreamID, on terms: (SubscribeMode, _ expected: Int) -> ReadingTerms?
  ) -> NewReadings {
    var made = NewReadings()
    guard let stream = streams[id] else { return made }
    let (channel, present) = (stream.channel, stream.readings)
    let isInbox = InboxChannel(channel.text) != nil
    for reader in index.agents(for: channel) {
      walk(Self.entriesOfCandidate)
      guard let caller = agents[reader]?.caller,
        isInbox || policy.mayRead(caller, channel: channel).allowed
      else { continue }
      meet(reader, id, on: channel, but: present, on: terms, &made)
    }
    return made
  }

  /// The same for the subscriptions of one agent.
  private mutating func meet(
    _ reader: Incarnation, _ id: StreamID, on channel: Topic, but present: Set<Reading>,
    behind first: UInt32? = nil, on terms: (SubscribeMode, _ expected: Int) -> ReadingTerms?,
    _ made: inout NewReadings
  ) {
    let numbers = index.subscriptions(of: reader, for: channel)
    walk(numbers.count)
    for number in numbers where first.map({ number > $0 }) ?? true {
      let reading = Reading(reader: reader, subscription: number)
      guard !present.contains(reading),
        !endedHere.contains(EndedReading(reading: reading, stream: id))
      else { continue }
      walk(Self.entriesOfCandidate)
      guard let mode = mode(of: reading, reaching: channel),
        let terms = terms(mode, made.expected.count)
      else { continue }
      // What stands against one subscription of an agent stands against its others: one is told,
      // and its agent tells the others.
      guard let one = makeAttachment(reader, number, id, on: terms) else {
        let others = numbers.filter {
          $0 > number && !present.contains(Reading(reader: reader, subscription: $0))
        }
        return missAlso(id, others, like: number, of: reader)
      }
      made.add(one, terms)
      announce(one, .news)
    }
  }

  /// The mode of a subscription that reaches a channel.
  ///
  /// By itself: a copy of the agent that is held while it is given a reading has its tables copied.
  private func mode(of reading: Reading, reaching channel: Topic) -> SubscribeMode? {
    guard let agent = agents[reading.reader],
      let subscription = agent.subscriptions[reading.subscription],
      mayAttach(agent, subscription, to: channel)
    else { return nil }
    return subscription.mode
  }

  /// A subscription that was told that it misses a stream does so no more, as it reads it or is
  /// gone: those for which it was told have the stream as far as there are places, or are told.
  ///
  /// None before it: what they read of the stream may have been ended.
  mutating func meetOthers(_ missed: MissedStream, of reader: Incarnation) {
    guard let stream = streams[missed.stream], stream.end == nil else { return }
    var made = NewReadings()
    meet(
      reader, stream.id, on: stream.channel, but: stream.readings, behind: missed.subscription,
      on: { _, _ in .fromHere }, &made)
  }

  /// What it takes to judge whether a subscription reads a stream, in entries of tables.
  private static var entriesOfCandidate: Int { 64 }
}
