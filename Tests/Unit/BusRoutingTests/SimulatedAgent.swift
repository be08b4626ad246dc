import BusRouting
import BusWire

/// A frame that an agent is about to send; a log's first position beside it.
struct Outgoing {
  var request: UInt32 = 0
  let frame: AgentFrame
  var base: UInt64 = 0
}

/// What an honest agent knows and answers, as the client library does, without memory or threads.
struct SimulatedAgent {
  struct Stream {
    let channel: String
    let proof: ControlTicket
    var generation: UInt32 = 0
    var isRotating = false
    /// Readers in the window, and those that it is kept at its start for.
    var window: [AttachmentID: Incarnation] = [:]
    var expected: Set<AttachmentID> = []
  }

  struct Reading {
    let announce: AnnounceFrame
    let slot: UInt16
    var generation: UInt32
    var hasJoined = false
    var isOver = false
  }

  /// What the agent was told that it does not get.
  struct Excuse: Hashable {
    let subscription: UInt32
    let publisher: String
    let channel: String
  }

  let kind: String
  let name: String
  var connection = ConnectionID(0)
  var incarnation = Incarnation(0)
  var ticket: ControlTicket?
  var incoming: [World.Sent] = []
  var outgoing: [Outgoing] = []
  var subscriptions: [UInt32: SubscribeFrame] = [:]
  var readings: [AttachmentID: Reading] = [:]
  var streams: [StreamID: Stream] = [:]
  var excuses: Set<Excuse> = []
  /// What a router said that it says to nobody who keeps the rules.
  var complaints: [String] = []
  /// A router did not take it back.
  var isFenced = false
  private var asked: [UInt32: AgentFrame] = [:]
  private var lastRequest: UInt32 = 10
  private var lastSubscription: UInt32 = 0
  /// Subscriptions that were asked for and not given up.
  private var wanted: Set<UInt32> = []
  /// Readings that were given up.
  private var finished: Set<AttachmentID> = []
  private var named: Set<AttachmentID>?

  init(kind: String, name: String) {
    self.kind = kind
    self.name = name
  }

  /// The process, which stays the same over restarts of the router.
  var pid: Int32 = 100
  var isReturning: Bool { outgoing.contains { $0.frame == .restoreDone } }

  private mutating func say(_ frame: AgentFrame) { outgoing.append(Outgoing(frame: frame)) }

  private mutating func ask(_ frame: AgentFrame, base: UInt64 = 0) {
    lastRequest += 1
    asked[lastRequest] = frame
    outgoing.append(Outgoing(request: lastRequest, frame: frame, base: base))
  }

  // MARK: What the program does

  mutating func act(_ choice: Int, channel: String, pick: Int) {
    guard kind != "spy" else { return }
    switch choice {
    case 0...1 where kind != "sub": publish(channel)
    case 2 where !streams.isEmpty: rotate(pick)
    case 3 where !streams.isEmpty && pick % 3 == 0: close(pick)
    case 4...5 where kind != "pub" && subscriptions.count < 3: subscribe(pick)
    case 6 where !subscriptions.isEmpty && pick % 4 == 0: unsubscribe(pick)
    case 7 where !readings.isEmpty: leave(pick)
    case 8:
      let topic = "hub.\(pick % 9)"
      let frame = NameFrame(name: topic, group: .service)
      if pick % 2 == 0 {
        ask(.resolve(frame))
      } else {
        say(.forget(NameFrame(name: topic, group: .service)))
      }
    default: break
    }
  }

  private func at<Key: Comparable, Value>(_ items: [Key: Value], _ pick: Int) -> Key {
    items.keys.sorted()[pick % items.count]
  }

  private mutating func publish(_ channel: String) {
    ask(
      .addLog(
        AddLogFrame(
          stream: StreamID(0), channel: channel, generation: 0, capacity: 65536,
          segmentBytes: 73728)))
  }

  private mutating func rotate(_ pick: Int) {
    let id = at(streams, pick)
    guard let stream = streams[id], !stream.isRotating, !isReturning, stream.expected.isEmpty else {
      return
    }
    streams[id]?.isRotating = true
    let generation = stream.generation + 1
    ask(
      .addLog(
        AddLogFrame(
          stream: id, channel: stream.channel, generation: generation, capacity: 65536,
          segmentBytes: 73728)), base: UInt64(generation) * 64)
  }

  private mutating func close(_ pick: Int) {
    let id = at(streams, pick)
    streams[id] = nil
    say(.closeStream(CloseStreamFrame(stream: id)))
  }

  private mutating func subscribe(_ pick: Int) {
    lastSubscription += 1
    wanted.insert(lastSubscription)
    let patterns = kind == "hub" ? [">", "open", "secret"] : [">", "open"]
    ask(
      .subscribe(
        SubscribeFrame(
          subscription: lastSubscription, pattern: patterns[pick % patterns.count],
          mode: pick % 5 == 0 ? .lossy : .lossless, sleeps: true, epoch: 1)))
  }

  private mutating func unsubscribe(_ pick: Int) {
    let number = at(subscriptions, pick)
    subscriptions[number] = nil
    wanted.remove(number)
    for (id, reading) in readings where reading.announce.subscription == number {
      readings[id] = nil
    }
    say(.unsubscribe(UnsubscribeFrame(subscription: number)))
  }

  /// The program wants this publisher no more.
  private mutating func leave(_ pick: Int) {
    let id = at(readings, pick)
    finish(id, excused: true)
  }

  private mutating func finish(_ id: AttachmentID, excused: Bool) {
    guard let reading = readings.removeValue(forKey: id) else { return }
    finished.insert(id)
    if excused { excuse(reading.announce) }
    say(.detach(DetachFrame(attachment: id)))
  }

  private mutating func excuse(_ announce: AnnounceFrame) {
    excuses.insert(
      Excuse(
        subscription: announce.subscription, publisher: announce.publisherName,
        channel: announce.channel))
  }

  // MARK: What it hears

  mutating func hear(_ sent: World.Sent) {
    guard kind != "spy" else { return }
    incoming.append(sent)
  }

  mutating func take() {
    let one = incoming.removeFirst()
    if isFenced { return }
    if case .answer(let request) = one.delivery {
      answered(request, one.frame)
    } else {
      told(one.frame)
    }
  }

  private mutating func answered(_ request: UInt32, _ frame: RouterFrame) {
    guard let question = asked.removeValue(forKey: request) else { return }
    switch (question, frame) {
    case (.addLog(let log), .logAdded(let added)) where log.stream == StreamID(0):
      streams[added.stream] = Stream(
        channel: log.channel, proof: added.proof, expected: Set(added.expected))
    case (.addLog(let log), .logAdded):
      guard streams[log.stream] != nil else { return }
      streams[log.stream]?.generation = log.generation
      streams[log.stream]?.isRotating = false
      say(.retireLog(RetireLogFrame(stream: log.stream, generation: log.generation - 1)))
    case (.addLog(let log), .error): streams[log.stream]?.isRotating = false
    case (.subscribe(let wish), .subscribed): subscriptions[wish.subscription] = wish
    case (.reattach, .error): isFenced = true
    case (.restoreLog, .error(let error)), (.restoreSubscription, .error(let error)),
      (.restoreDone, .error(let error)):
      if error.code == BusErrorCode.invalid.rawValue { complaints.append(error.text) }
    default: break
    }
  }

  private mutating func told(_ frame: RouterFrame) {
    switch frame {
    case .announce(let announce): hear(announce)
    case .joined(let joined): readings[joined.attachment]?.hasJoined = true
    case .streamEnded(let ended):
      for (id, reading) in readings where reading.announce.stream == ended.stream {
        named?.insert(id)
        finish(id, excused: false)
      }
    case .evicted(let evicted):
      // Here no publisher drops a reader; only who ended, or a thief, is a reason.
      if evicted.reason.contains("no longer knew") { complaints.append(evicted.reason) }
      finish(evicted.attachment, excused: true)
    case .error(let error):
      if error.code == BusErrorCode.invalid.rawValue { complaints.append(error.text) }
    case .missed(let missed):
      excuses.insert(
        Excuse(
          subscription: missed.subscription, publisher: missed.publisherName,
          channel: missed.channel))
    case .join(let join): letIn(join)
    case .leave(let leave): letGo { id, _ in id == leave.attachment }
    case .agentGone(let gone): letGo { _, reader in reader == gone.incarnation }
    case .logAdded(let added):
      named?.formUnion(added.expected)
      if named == nil { streams[added.stream]?.expected.formUnion(added.expected) }
    case .snapshotBegin: named = []
    case .snapshotEnd: endSnapshot()
    default: break
    }
  }

  private mutating func hear(_ announce: AnnounceFrame) {
    named?.insert(announce.attachment)
    guard wanted.contains(announce.subscription) else { return }
    // An announce that was under way when this reading was given up begins none anew.
    guard !finished.contains(announce.attachment) else { return }
    guard readings[announce.attachment] == nil else {
      let former = readings[announce.attachment]?.generation ?? 0
      guard announce.generation > former else { return }
      readings[announce.attachment]?.generation = announce.generation
      say(.released(ReleasedFrame(attachment: announce.attachment, generation: former)))
      return
    }
    let taken = Set(readings.values.map(\.slot))
    guard let slot = (0..<24 as Range<UInt16>).first(where: { !taken.contains($0) }) else {
      excuse(announce)
      return say(.detach(DetachFrame(attachment: announce.attachment)))
    }
    readings[announce.attachment] = Reading(
      announce: announce, slot: slot, generation: announce.generation)
    say(.attach(AttachFrame(attachment: announce.attachment, slot: slot)))
  }

  private mutating func letIn(_ join: JoinFrame) {
    named?.insert(join.attachment)
    guard let stream = streams[join.stream] else {
      let reason = "closed"
      return say(.joinRefused(JoinRefusedFrame(attachment: join.attachment, reason: reason)))
    }
    let isExpected = streams[join.stream]?.expected.remove(join.attachment) != nil
    streams[join.stream]?.window[join.attachment] = join.readerIncarnation
    let generation = isExpected ? 0 : stream.generation
    say(
      .joined(
        JoinedFrame(
          attachment: join.attachment, generation: generation,
          startPosition: UInt64(generation) * 64, startSequence: 0, departed: 0)))
  }

  private mutating func letGo(_ isGone: (AttachmentID, Incarnation?) -> Bool) {
    for id in streams.keys {
      guard var stream = streams[id] else { continue }
      stream.window = stream.window.filter { !isGone($0.key, $0.value) }
      stream.expected = stream.expected.filter { !isGone($0, nil) }
      streams[id] = stream
    }
  }

  private mutating func endSnapshot() {
    guard let seen = named else { return }
    named = nil
    for id in readings.keys where !seen.contains(id) { finish(id, excused: false) }
    letGo { id, _ in !seen.contains(id) }
  }

  // MARK: Another router

  /// What the agent hands in, frame by frame.
  mutating func beginReturn() {
    (incoming, outgoing, asked, named) = ([], [], [:], nil)
    connection = ConnectionID(0)
    guard let ticket else { return }
    say(.hello(HelloFrame(program: "t")))
    ask(
      .reattach(
        ReattachFrame(
          name: name, category: "test", agent: World.uuid(name), incarnation: incarnation,
          ticket: ticket)))
    guard kind != "spy" else { return }
    wanted = Set(subscriptions.keys)
    // A subscription whose answer was lost is asked for anew, by another number.
    readings = readings.filter { subscriptions[$0.value.announce.subscription] != nil }
    for id in streams.keys.sorted() { restore(id) }
    for number in subscriptions.keys.sorted() {
      if let frame = subscriptions[number] { ask(.restoreSubscription(frame)) }
    }
    for id in readings.keys.sorted() {
      guard let reading = readings[id] else { continue }
      let announce = reading.announce
      say(
        .restoreAttachment(
          RestoreAttachmentFrame(
            attachment: id, subscription: announce.subscription, stream: announce.stream,
            publisherIncarnation: announce.publisherIncarnation,
            publisherName: announce.publisherName, publisher: announce.publisher,
            channel: announce.channel, slot: reading.slot, joined: reading.hasJoined)))
    }
    ask(.restoreDone)
  }

  private mutating func restore(_ id: StreamID) {
    guard let stream = streams[id] else { return }
    streams[id]?.isRotating = false
    ask(
      .restoreLog(
        RestoreLogFrame(
          stream: id, channel: stream.channel, generation: stream.generation, capacity: 65536,
          segmentBytes: 73728, current: true, retired: false, proof: stream.proof)),
      base: UInt64(stream.generation) * 64)
    for (attachment, reader) in stream.window.sorted(by: { $0.key < $1.key }) {
      say(
        .restoreReader(
          RestoreReaderFrame(stream: id, attachment: attachment, readerIncarnation: reader)))
    }
    for attachment in stream.expected.sorted() {
      say(
        .restoreReader(
          RestoreReaderFrame(
            stream: id, attachment: attachment, readerIncarnation: Incarnation(0))))
    }
  }
}
