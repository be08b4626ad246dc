import BusWire

/// One frame of every kind, with values that use every byte of each field.
enum ControlSamples {
  private static let agent = BusUUID(high: 0x0102_0304_0506_0708, low: 0xF1F2_F3F4_F5F6_F7F8)
  private static let ticket = ControlTicket((0..<32).map { UInt8($0) * 7 })
  private static let proof = ControlTicket((0..<32).map { 255 - UInt8($0) }) ?? .none
  private static let stream = StreamID(0x1122_3344_5566_7788)
  private static let attachment = AttachmentID(0x8877_6655_4433_2211)
  private static let incarnation = Incarnation(0xA1A2_A3A4_A5A6_A7A8)
  private static let subscription = SubscribeFrame(
    subscription: 0xDEAD_BEEF, pattern: "märkte.*.>", mode: .latest, sleeps: true, epoch: 59)

  static var fromAgents: [AgentFrame] {
    registration + publishing + subscribing + handIns + services
  }

  private static var registration: [AgentFrame] {
    var frames: [AgentFrame] = [
      .hello(HelloFrame(layoutVersion: 0x0102, program: "bcs")),
      .register(RegisterFrame(name: "auditor", category: "security", agent: agent)),
      .query(QueryFrame(subject: .attachments)),
      .addCounters(AddCountersFrame(part: 0x0102, segmentBytes: .max - 7)), .watch,
      .unwatch, .goodbye,
    ]
    if let ticket {
      frames.append(
        .reattach(
          ReattachFrame(
            name: "auditor", category: "", agent: agent, incarnation: incarnation, ticket: ticket)))
    }
    return frames
  }

  private static var publishing: [AgentFrame] {
    [
      .addLog(
        AddLogFrame(
          stream: stream, channel: "ticks", generation: 0x0A0B_0C0D, capacity: 1 << 40,
          segmentBytes: .max)),
      .retireLog(RetireLogFrame(stream: stream, generation: 7)),
      .closeStream(CloseStreamFrame(stream: stream)),
      .joined(
        JoinedFrame(
          attachment: attachment, generation: 2, startPosition: 1, startSequence: 2,
          departed: .max - 1)),
      .joinRefused(JoinRefusedFrame(attachment: attachment, reason: "no room")),
      .evict(EvictFrame(attachment: attachment, reason: "too slow")),
    ]
  }

  private static var subscribing: [AgentFrame] {
    [
      .subscribe(subscription),
      .unsubscribe(UnsubscribeFrame(subscription: 3)),
      .reannounce(ReannounceFrame(subscription: 0x0102_0304, stream: stream)),
      .attach(AttachFrame(attachment: attachment, slot: 0x0102)),
      .detach(DetachFrame(attachment: attachment)),
      .released(ReleasedFrame(attachment: attachment, generation: 9)),
    ]
  }

  private static var services: [AgentFrame] {
    [
      .addBlob(
        AddBlobFrame(
          token: agent, segmentBytes: 1 << 33, payloadBytes: (1 << 33) - 4097, keepMs: 3_600_000)),
      .openBlob(OpenBlobFrame(token: agent, maker: incarnation)),
      .dropBlob(DropBlobFrame(token: agent, now: true)),
      .answer(AnswerFrame(name: "math.add", group: .service, answers: true)),
      .resolve(NameFrame(name: "reviewers", group: .team)),
      .forget(NameFrame(name: "größe", group: .service)),
    ]
  }

  private static var handIns: [AgentFrame] {
    [
      .restoreLog(
        RestoreLogFrame(
          stream: stream, channel: "ticks", generation: 4, capacity: 65536, segmentBytes: 98304,
          current: true, retired: false, proof: proof)),
      .restoreReader(
        RestoreReaderFrame(
          stream: stream, attachment: attachment, readerIncarnation: incarnation)),
      .restoreSubscription(subscription),
      .restoreAttachment(
        RestoreAttachmentFrame(
          attachment: attachment, subscription: 1, stream: stream,
          publisherIncarnation: incarnation, publisherName: "feed", publisher: agent,
          channel: "ticks", slot: 11, joined: true)),
      .restoreDone,
    ]
  }

  static var fromRouter: [RouterFrame] {
    var frames = answers + news
    if let ticket {
      frames.append(
        .registered(
          RegisteredFrame(
            agent: agent, incarnation: incarnation, ticket: ticket,
            channels: [ChannelLimit(prefix: "ticks.fx", logBytesMax: 1 << 33)])))
    }
    return frames
  }

  private static var answers: [RouterFrame] {
    [
      .welcome(
        WelcomeFrame(
          routerIncarnation: Incarnation(1), incarnation: incarnation, arenaBytes: 1 << 30,
          routerPid: 4_000_000, logBytesFirst: 65536, logBytesMax: 4 << 20, stallMs: 5000)),
      .logAdded(
        LogAddedFrame(
          stream: stream, generation: 0, expected: [attachment, AttachmentID(2)], proof: proof)),
      .subscribed(SubscribedFrame(subscription: 5, streams: 6)),
      .row(
        RowFrame(
          subject: .agents,
          fields: [RowField(key: "name", value: "a"), RowField(key: "pid", value: "1")])),
      .queryEnd, .error(ErrorFrame(code: 2, text: "denied")), .done,
    ]
  }

  private static var news: [RouterFrame] {
    [
      .announce(
        AnnounceFrame(
          subscription: 1, attachment: attachment, stream: stream,
          publisherIncarnation: incarnation, publisher: agent, publisherName: "feed",
          channel: "ticks", generation: 3, capacity: 4096, segmentBytes: 12288,
          flags: [.fromStart, .current], mayCall: ["math.>", "größe"])),
      .responders(
        RespondersFrame(
          name: "math.add", group: .service, isProvisional: true, before: 0x0102, total: 0x0103,
          responders: [Responder(incarnation: incarnation, name: "adder")])),
      .missed(
        MissedFrame(
          subscription: 0xDEAD_BEEF, stream: stream, publisherName: "feed", channel: "märkte",
          code: 0x0105,
          text: "no cursor is left")),
      .join(
        JoinFrame(
          attachment: attachment, stream: stream, readerIncarnation: incarnation,
          flags: [.lossless, .sleeps], slot: 959, epoch: 59)),
      .joined(
        JoinedFrame(
          attachment: attachment, generation: 0, startPosition: 64, startSequence: 1,
          departed: 128)),
      .leave(LeaveFrame(attachment: attachment)),
      .agentGone(AgentGoneFrame(incarnation: incarnation)),
      .streamEnded(StreamEndedFrame(stream: stream, finalPosition: .max, reason: .fenced)),
      .evicted(EvictedFrame(attachment: attachment, reason: "stalled for 5 s")),
      .counters(
        CountersFrame(
          incarnation: incarnation, agent: agent, name: "feed", category: "märkte", pid: 4_000_000,
          uid: 0xFFFF_FFFE, part: 0x0304, segmentBytes: 16384)),
      .countersGone(CountersGoneFrame(incarnation: incarnation)),
      .blob(BlobFrame(token: agent, segmentBytes: 8192, payloadBytes: 4000)),
      .snapshotBegin(SnapshotFrame(generation: 1)), .snapshotEnd(SnapshotFrame(generation: 1)),
    ]
  }
}
