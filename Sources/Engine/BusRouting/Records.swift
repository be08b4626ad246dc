import BusAccess
import BusPorts
import BusWire

/// One control connection and how far its talk has come.
struct Connection {
  let peer: Peer
  /// Whether no name can be given to its user.
  let isStranger: Bool
  /// The incarnation promised in the welcome; nil before hello.
  var incarnation: Incarnation?
  var program = ""
  /// The agent it registered or brought back.
  var agent: Incarnation?
  var snapshots: UInt64 = 0
}

/// How far a returning agent is with handing in what it had under a former router.
enum HandingIn {
  /// It has handed in all, or had nothing to hand in.
  case done
  case underWay
  /// The grace ended before it was done: it may not go on with half of what it had.
  case cutShort
  /// And it is told so.
  case refused
}

/// A registered agent.
struct Agent {
  let connection: ConnectionID
  let caller: Principal
  let category: String
  let uuid: BusUUID
  let incarnation: Incarnation
  let reader: DescriptorToken
  let readerBytes: UInt64
  let quota: UInt64
  var subscriptions: [UInt32: Subscription] = [:]
  /// What it reads.
  var attachments: Set<AttachmentID> = []
  /// What it publishes and has not closed.
  var streams: Set<StreamID> = []
  /// The names it answers.
  var answers: Set<ServiceName> = []
  /// The names whose responders it wants to know.
  var interests: Set<ServiceName> = []
  /// How far it is with handing in what it had under a former router.
  var handingIn = HandingIn.done
  /// What it counts in, in the order of the parts.
  var counters: [CounterSegment] = []
  /// The tokens of the blobs that it made and that are charged to it.
  var blobs: Set<BusUUID> = []
  /// What it says it read under a former router, until the grace is over.
  var claims: [AttachmentID: RestoreAttachmentFrame] = [:]
  /// The readings that these are.
  var claimedReadings: Set<EndedReading> = []
  /// How many of them it has ended in the grace.
  var endedClaims = 0
  /// Whose streams take its places.
  var shares = ReadingShares()
  /// Bytes of logs of ended streams that it has not let go of, whoever pays for them.
  var drainingBytes: UInt64 = 0
  /// Logs of ended streams were taken from it, as it had no room for them: until then it is given
  /// what it has room for; monotonic ns.
  var owesUntilNs: UInt64 = 0
  /// What it should read and has no place for.
  var missed = MissedStreams()
  /// How many streams it has on each channel.
  var streamsOn: [Topic: ChannelStreams] = [:]

  /// It takes messages of its own: one of its subscriptions is to its inbox.
  var hasInbox = false

  var name: String { caller.name.text }
  /// How many streams it reads, or claims to have read.
  var places: Int { attachments.count + claims.count }
}

/// A name that agents answer to: a service or a team.
struct ServiceName: Hashable {
  let group: ServiceGroup
  let topic: Topic
}

/// A wish to read a pattern.
struct Subscription {
  let number: UInt32
  let pattern: TopicPattern
  let mode: SubscribeMode
  let sleeps: Bool
  let epoch: UInt16
  /// It reads the agent's own inbox, and nothing else.
  var isInbox = false
  var attachments: Set<AttachmentID> = []

  var joinFlags: JoinFlags {
    var flags: JoinFlags = []
    if mode == .lossless { flags.insert(.lossless) }
    if sleeps { flags.insert(.sleeps) }
    return flags
  }
}

/// One log of a stream.
struct StreamLog {
  /// Nil once the log is with the one reader it is for.
  var token: DescriptorToken?
  let shape: LogShape
  /// Whom it is charged to: its publisher, later a reader that does not let go of it.
  var payer: Incarnation
  /// Since when its stream has ended, so that its readers can let go of it; monotonic ns.
  var overNs: UInt64?
  /// Its publisher says that it writes the next one.
  var retired = false
  /// Attachments that were told of it and have not released it.
  private(set) var holders: Set<AttachmentID> = []
  /// How many of them each agent has.
  private(set) var heldBy: [Incarnation: Int] = [:]

  init(token: DescriptorToken, shape: LogShape, payer: Incarnation) {
    self.token = token
    self.shape = shape
    self.payer = payer
  }

  /// A reading holds it from here on; true when it is the first one of its agent.
  mutating func insert(_ holder: AttachmentID, of reader: Incarnation) -> Bool {
    guard holders.insert(holder).inserted else { return false }
    heldBy[reader, default: 0] += 1
    return heldBy[reader] == 1
  }

  /// A reading does not hold it any more; true when it was the last one of its agent.
  mutating func remove(_ holder: AttachmentID, of reader: Incarnation) -> Bool {
    guard holders.remove(holder) != nil else { return false }
    heldBy.takeOne(reader)
    return heldBy[reader] == nil
  }
}

/// One publisher's records on one channel.
struct BusStream {
  struct End {
    let finalPosition: UInt64
    let sequence: UInt64
    let reason: StreamEndReason
  }

  let id: StreamID
  let publisher: Incarnation
  let publisherName: String
  let publisherUUID: BusUUID
  /// The publisher's user; nil while only readers have named the stream.
  let publisherUser: UInt32?
  let channel: Topic
  /// The word that its publisher shows to the next router.
  let proof: ControlTicket
  /// By rising generation; the last is the one being written.
  ///
  /// Empty while a router that took over knows the stream from its readers only.
  var logs: [StreamLog] = []
  var attachments: Set<AttachmentID> = []
  /// The same by who reads, and the readings of each agent and each user.
  var readings: Set<Reading> = []
  var readers: [Incarnation: Int] = [:]
  var readersOfUser: [UInt32: Int] = [:]
  /// Who should read it, has no place for it, and is given it when there is one.
  var missedBy: Set<Reading> = []
  var end: End?
  /// It has ended, and counts as such among its publisher's streams on the channel.
  var isEnding = false
}

extension BusStream {
  /// Takes out the logs that nobody needs any more.
  mutating func takeUnneeded() -> [StreamLog] {
    let hasEnded = end != nil
    func isUnneeded(_ log: StreamLog) -> Bool {
      log.holders.isEmpty && (log.retired || hasEnded)
    }
    guard logs.contains(where: isUnneeded) else { return [] }
    let unneeded = logs.filter(isUnneeded)
    logs.removeAll(where: isUnneeded)
    return unneeded
  }

  /// One more reading, by an agent of this user.
  mutating func insert(_ attachment: Attachment, of user: UInt32?) {
    attachments.insert(attachment.id)
    readings.insert(attachment.reading)
    readers[attachment.reader, default: 0] += 1
    if let user { readersOfUser[user, default: 0] += 1 }
  }

  /// One less.
  mutating func remove(_ attachment: Attachment, of user: UInt32?) {
    attachments.remove(attachment.id)
    readings.remove(attachment.reading)
    readers.takeOne(attachment.reader)
    if let user { readersOfUser.takeOne(user) }
  }
}

/// One subscription reading one stream.
struct Attachment {
  enum Phase {
    /// The reader knows of it.
    case announced
    /// The reader took a slot; the publisher was asked.
    case attached
    /// The publisher answered.
    case joined(JoinedFrame)
    /// It reads since before the router started; where it began is not known here.
    case resumed
    /// The publisher dropped it.
    case evicted(String)

    var isWithPublisher: Bool {
      switch self {
      case .attached, .joined, .resumed: true
      case .announced, .evicted: false
      }
    }

    var name: String {
      switch self {
      case .announced: "announced"
      case .attached: "attached"
      case .joined, .resumed: "joined"
      case .evicted: "evicted"
      }
    }
  }

  let id: AttachmentID
  /// What its reader and its publisher call it.
  let number: AttachmentID
  let reader: Incarnation
  let subscription: UInt32
  let stream: StreamID
  let publisher: Incarnation
  let publisherUser: UInt32?
  /// It was announced before the stream's first record.
  let fromStart: Bool
  /// The publisher keeps its window at position 0 for it.
  let expected: Bool
  /// Where its cursor is; nil until the reader has said.
  var slot: UInt16?
  /// Where its cursor stood when it was looked at, and since when; monotonic ns.
  var standstill: (cursor: UInt64, sinceNs: UInt64)?
  var phase = Phase.announced

  var reading: Reading { Reading(reader: reader, subscription: subscription) }

  /// The publisher waits for it and was never told whose it is.
  var isExpectedOnly: Bool { expected && !phase.isWithPublisher }
}
