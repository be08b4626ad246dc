import BusAccess
import BusPorts
import BusWire

extension RouterState {
  mutating func addLog(
    _ frame: AddLogFrame, _ segment: Segment, of agent: Incarnation, _ asker: Requester
  ) {
    // Each name that an inbox's owner answers may be the one that lets a writer in.
    if let inbox = InboxChannel(frame.channel) {
      walk((agents[inbox.owner]?.answers.count ?? 0) * Self.entriesOfResponder)
    }
    // Before what is wrong with the segment: it is not looked at when something stands against it.
    if let refusal = agents[agent].flatMap({ objection(to: frame, by: $0) }) {
      turnDown(segment, asker, refusal)
      return
    }
    guard let (shape, channel) = check(LogOffer(frame), segment, of: agent, asker) else {
      act(.close(segment.token))
      return
    }
    if frame.stream.value == 0 {
      openStream(shape, segment.token, channel, of: agent, asker)
    } else {
      rotate(frame.stream, shape, segment.token, of: agent, asker)
    }
  }

  /// What a publisher says of the log it offers.
  struct LogOffer {
    let stream: StreamID
    let channel: String
    let generation: UInt32
    let capacity: UInt64
    let segmentBytes: UInt64

    init(_ frame: AddLogFrame) {
      (stream, channel, generation) = (frame.stream, frame.channel, frame.generation)
      (capacity, segmentBytes) = (frame.capacity, frame.segmentBytes)
    }

    init(_ frame: RestoreLogFrame) {
      (stream, channel, generation) = (frame.stream, frame.channel, frame.generation)
      (capacity, segmentBytes) = (frame.capacity, frame.segmentBytes)
    }
  }

  /// Compares word and deed of an offered log, against which nothing stands by its word; answers
  /// what is wrong and returns nil.
  mutating func check(
    _ offer: LogOffer, _ segment: Segment, of agent: Incarnation, _ asker: Requester
  ) -> (LogShape, Topic)? {
    guard let owner = agents[agent] else { return nil }
    guard case .log(let shape) = segment.finding, let channel = try? Topic(offer.channel) else {
      refuse(asker, segment.refusal(wanted: "log"))
      return nil
    }
    guard shape.agent == owner.uuid, shape.incarnation == agent, shape.channel == offer.channel,
      shape.generation == offer.generation, shape.capacity == offer.capacity,
      shape.segmentBytes == offer.segmentBytes
    else {
      refuse(asker, .invalid, "The log's identity differs from what the frame says.")
      return nil
    }
    return (shape, channel)
  }

  /// What stands against a log, by what its publisher says of it; nil: nothing.
  func objection(to offer: LogOffer, by owner: Agent) -> Refusal? {
    guard let channel = try? Topic(offer.channel) else {
      return Refusal(.invalid, "The channel's name is not a topic.")
    }
    if let refusal = objection(toLogOn: channel, by: owner) { return refusal }
    let most = policy.settings(of: channel).logBytesMax ?? limits.logBytesMax
    guard offer.capacity <= max(most, limits.logBytesFirst) else {
      return Refusal(
        .resourceExhausted,
        "Logs on \(channel) may have \(most) bytes: raise --log-most or the channel's limit.")
    }
    let text = budget.objection(
      toLog: offer.segmentBytes, for: owner.incarnation, quota: owner.quota)
    return text.map { Refusal(.resourceExhausted, $0) }
  }

  /// The same for one that begins a stream, or follows the last one of a stream.
  func objection(to frame: AddLogFrame, by owner: Agent) -> Refusal? {
    let offer = LogOffer(frame)
    if let refusal = objection(to: offer, by: owner) { return refusal }
    guard frame.stream.value == 0 else { return objection(toNext: offer, by: owner) }
    return (try? Topic(frame.channel)).flatMap { channel in
      objection(toStreamOn: channel, by: owner).map { Refusal(because: .limit, $0) }
    }
  }

  private func objection(toNext offer: LogOffer, by owner: Agent) -> Refusal? {
    guard let stream = streams[offer.stream], stream.publisher == owner.incarnation,
      stream.end == nil, let last = stream.logs.last, last.shape.generation < UInt32.max,
      offer.generation == last.shape.generation + 1, offer.channel == stream.channel.text
    else { return Refusal(.invalid, Self.strayLogText) }
    guard stream.logs.count < limits.logsPerStream else {
      return Refusal(
        .resourceExhausted,
        "\(stream.logs.count) logs of this stream are still read: wait until readers let go.")
    }
    return nil
  }

  private static var strayLogText: String {
    "The log does not follow the last one of a stream of this agent."
  }

  private mutating func openStream(
    _ shape: LogShape, _ token: DescriptorToken, _ channel: Topic, of agent: Incarnation,
    _ asker: Requester
  ) {
    guard let owner = agents[agent], shape.generation == 0, shape.basePosition == 0,
      shape.baseSequence == 0
    else {
      act(.close(token))
      refuse(asker, .invalid, "A new stream starts with generation 0 at position 0.")
      return
    }
    let id = StreamID(nextNumber())
    let proof = seal(proofBytes(id, channel.text, of: agent))
    budget.charge(shape.segmentBytes, to: agent)
    add(
      BusStream(
        id: id, publisher: agent, publisherName: owner.name, publisherUUID: owner.uuid,
        publisherUser: owner.caller.uid, channel: channel, proof: proof,
        logs: [StreamLog(token: token, shape: shape, payer: agent)]))
    if mustWait(forReadersOf: channel) {
      heldStreams[id] = asker
    } else {
      begin(id, for: asker)
    }
  }

  /// Puts a stream of an agent that is here into every list, or the newer state of one.
  mutating func add(_ stream: BusStream) {
    streams[stream.id] = stream
    index.insert(stream.id, on: stream.channel)
    guard agents[stream.publisher]?.streams.insert(stream.id).inserted == true else { return }
    if awaitsAgents { awaited.add(stream.id, of: stream.publisherUser) }
    agents[stream.publisher]?.streamsOn[stream.channel, default: ChannelStreams()].living += 1
  }

  /// Takes a stream off the lists of what its publisher still writes.
  mutating func countAsEnding(_ stream: BusStream) {
    guard agents[stream.publisher]?.streams.remove(stream.id) != nil else { return }
    agents[stream.publisher]?.streamsOn[stream.channel]?.living -= 1
    agents[stream.publisher]?.streamsOn[stream.channel]?.ending += 1
    streams[stream.id]?.isEnding = true
  }

  /// Takes a stream that nobody reads any more off every list.
  mutating func forget(_ stream: BusStream) {
    streams[stream.id] = nil
    index.remove(stream.id, on: stream.channel)
    guard stream.isEnding, var here = agents[stream.publisher]?.streamsOn[stream.channel] else {
      return
    }
    here.ending -= 1
    let isLast = here.living == 0 && here.ending == 0
    agents[stream.publisher]?.streamsOn[stream.channel] = isLast ? nil : here
  }

  private mutating func rotate(
    _ id: StreamID, _ shape: LogShape, _ token: DescriptorToken, of agent: Incarnation,
    _ asker: Requester
  ) {
    settleNow(id)
    guard let stream = streams[id], let last = stream.logs.last,
      shape.basePosition >= last.shape.basePosition,
      shape.baseSequence >= last.shape.baseSequence
    else {
      act(.close(token))
      refuse(asker, .invalid, Self.strayLogText)
      return
    }
    budget.charge(shape.segmentBytes, to: agent)
    streams[id]?.logs.append(StreamLog(token: token, shape: shape, payer: agent))
    walk(stream.attachments.count * Self.entriesOfReader)
    var told = 0
    for attachment in stream.attachments.sorted()
    where announce(attachment, .news, newest: true) { told += 1 }
    foresee(told * Self.effortOfNewLog)
    answer(
      asker,
      .logAdded(
        LogAddedFrame(
          stream: id, generation: shape.generation, expected: [], proof: stream.proof)))
  }

  /// What a reader says to another log of its stream: that it has let go of the one before.
  private static var effortOfNewLog: Int { 2 }

  /// What it takes to look at one reading of a stream, in entries of tables.
  static var entriesOfReader: Int { 8 }

  mutating func retireLog(_ frame: RetireLogFrame, of agent: Incarnation, _ asker: Requester) {
    guard let stream = streams[frame.stream], stream.publisher == agent, stream.end == nil else {
      return
    }
    guard let place = stream.logs.firstIndex(where: { $0.shape.generation == frame.generation })
    else { return }
    guard place < stream.logs.count - 1 else {
      refuse(asker, .invalid, "The newest log of a stream cannot be retired: close the stream.")
      return
    }
    streams[frame.stream]?.logs[place].retired = true
    freeLogs(of: frame.stream)
  }

  mutating func closeStream(_ frame: CloseStreamFrame, of agent: Incarnation, _ asker: Requester) {
    guard let stream = streams[frame.stream], stream.publisher == agent, stream.end == nil else {
      return
    }
    endStream(frame.stream, .closed)
  }
}
