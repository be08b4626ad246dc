import BusAccess
import BusPorts
import BusWire

extension RouterState {
  /// Lists what is there: everything to the router's own user and to root, to others what
  /// concerns themselves.
  mutating func query(_ subject: QuerySubject, _ asker: Requester) {
    guard let connection = connections[asker.connection], connection.incarnation != nil else {
      refuse(asker, .invalid, "Send hello first.")
      return
    }
    let mayAll = connection.peer.uid == identity.uid || connection.peer.uid == 0
    guard mayAll || connection.agent != nil else {
      deny(asker, because: "user \(connection.peer.uid) queries without an agent")
      return
    }
    let viewer: Incarnation? = mayAll ? nil : connection.agent
    guard openQueries[asker.connection] == nil else {
      refuse(asker, .invalid, "A query of this connection is being answered.")
      return
    }
    guard subject != .router else {
      answer(asker, .row(RowFrame(subject: subject, fields: routerRow())))
      answer(asker, .queryEnd)
      return
    }
    // What comes later than the query is not listed, or the list might never end.
    openQueries[asker.connection] = OpenQuery(
      subject: subject, viewer: viewer, request: asker.request, until: lastNumber)
    goOn(asker.connection)
  }

  /// A list that is handed over in turns, in the order of numbers.
  struct OpenQuery {
    let subject: QuerySubject
    /// Whom it has to concern; nil: everything.
    let viewer: Incarnation?
    let request: UInt32
    let until: UInt64
    /// The number that was looked at last.
    var last: UInt64 = 0
  }

  /// The next rows of a connection's query.
  mutating func goOn(_ connection: ConnectionID) {
    guard var query = openQueries[connection] else { return }
    let asker = Requester(connection: connection, request: query.request)
    let keys =
      switch query.subject {
      case .router: [UInt64]()
      case .agents, .subscriptions, .names: query.next(of: agents.keys.lazy.map(\.value))
      case .streams: query.next(of: streams.keys.lazy.map(\.value))
      case .attachments: query.next(of: attachments.keys.lazy.map(\.value))
      }
    // All of them were looked at for these, and each of these for its rows.
    walk(query.subject == .attachments ? attachments.count : agents.count + streams.count)
    walk(keys.count * 16)
    var rows = 0
    for key in keys where rows < OpenQuery.rowsPerTurn {
      query.last = key
      for row in self.rows(query.subject, key, query.viewer) {
        answer(asker, .row(RowFrame(subject: query.subject, fields: row)))
        rows += 1
      }
    }
    guard let last = keys.last, query.last != last || keys.count == OpenQuery.rowsPerTurn else {
      openQueries[connection] = nil
      answer(asker, .queryEnd)
      return
    }
    openQueries[connection] = query
    act(.unfinished(connection))
  }

  /// What stands behind a number: one row, or those of an agent.
  private func rows(
    _ subject: QuerySubject, _ key: UInt64, _ viewer: Incarnation?
  ) -> [[RowField]] {
    switch subject {
    case .router: []
    case .agents: agentRow(Incarnation(key), viewer).map { [$0] } ?? []
    case .streams: streamRow(StreamID(key), viewer).map { [$0] } ?? []
    case .attachments: attachmentRow(AttachmentID(key), viewer).map { [$0] } ?? []
    case .subscriptions: subscriptionRows(Incarnation(key), viewer)
    case .names: nameRows(Incarnation(key), viewer)
    }
  }

  private func routerRow() -> [RowField] {
    fields([
      ("pid", "\(identity.pid)"), ("uid", "\(identity.uid)"),
      ("incarnation", "\(incarnation.value)"), ("agents", "\(agents.count)"),
      ("connections", "\(connections.count)"), ("streams", "\(streams.count)"),
      ("attachments", "\(attachments.count)"), ("arena_bytes", "\(limits.arenaBytes)"),
      ("arena_used", "\(budget.used)"), ("agent_quota", "\(limits.agentBytes)"),
      ("log_first", "\(limits.logBytesFirst)"), ("log_most", "\(limits.logBytesMax)"),
      ("stall_ms", "\(limits.stallMs)"),
      ("policy", policy.isSameUser ? "same-user" : "rules"),
      ("in_grace", inGrace ? "1" : "0"),
    ])
  }

  private func agentRow(_ key: Incarnation, _ viewer: Incarnation?) -> [RowField]? {
    guard let agent = agents[key], viewer == nil || viewer == key,
      let connection = connections[agent.connection]
    else { return nil }
    return fields([
      ("name", agent.name), ("category", agent.category), ("uuid", "\(agent.uuid)"),
      ("incarnation", "\(key.value)"), ("pid", "\(connection.peer.pid)"),
      ("uid", "\(connection.peer.uid)"), ("program", connection.program),
      ("subscriptions", "\(agent.subscriptions.count)"), ("streams", "\(agent.streams.count)"),
      ("attachments", "\(agent.attachments.count)"),
      ("bytes", "\(budget.use(by: key).bytes)"), ("quota", "\(agent.quota)"),
      ("held_bytes", "\(budget.use(by: key).heldBytes)"),
    ])
  }

  private func streamRow(_ key: StreamID, _ viewer: Incarnation?) -> [RowField]? {
    guard let stream = streams[key], viewer == nil || viewer == stream.publisher else {
      return nil
    }
    let last = stream.logs.last
    let now = progress(of: stream)
    return fields([
      ("stream", "\(key.value)"), ("channel", stream.channel.text),
      ("publisher", stream.publisherName), ("incarnation", "\(stream.publisher.value)"),
      ("generation", "\(last?.shape.generation ?? 0)"),
      ("capacity", "\(last?.shape.capacity ?? 0)"), ("logs", "\(stream.logs.count)"),
      ("bytes", "\(stream.logs.reduce(0) { $0 + $1.shape.segmentBytes })"),
      ("commit", "\(now?.commit ?? 0)"), ("messages", "\(now?.sequence ?? 0)"),
      ("attachments", "\(stream.attachments.count)"),
      ("state", stream.end.map { "\($0.reason)" } ?? "open"),
    ])
  }

  private func attachmentRow(_ key: AttachmentID, _ viewer: Incarnation?) -> [RowField]? {
    guard let attachment = attachments[key], let stream = streams[attachment.stream],
      viewer == nil || viewer == attachment.reader || viewer == stream.publisher,
      let reader = agents[attachment.reader],
      let subscription = reader.subscriptions[attachment.subscription]
    else { return nil }
    return fields([
      ("attachment", "\(attachment.number.value)"), ("stream", "\(stream.id.value)"),
      ("channel", stream.channel.text), ("publisher", stream.publisherName),
      ("reader", reader.name), ("reader_incarnation", "\(attachment.reader.value)"),
      ("pattern", subscription.pattern.text), ("mode", "\(subscription.mode)"),
      ("slot", "\(attachment.slot ?? 0)"), ("state", attachment.phase.name),
    ]) + headway(of: attachment, reader, in: stream)
  }

  private func subscriptionRows(_ key: Incarnation, _ viewer: Incarnation?) -> [[RowField]] {
    guard viewer == nil || viewer == key, let agent = agents[key] else { return [] }
    let wishes = agent.subscriptions.values.filter { !$0.isInbox }
    return wishes.sorted { $0.number < $1.number }.map { subscription in
      fields([
        ("agent", agent.name), ("incarnation", "\(key.value)"),
        ("pattern", subscription.pattern.text), ("mode", "\(subscription.mode)"),
        ("streams", "\(subscription.attachments.count)"),
      ])
    }
  }

  private func nameRows(_ key: Incarnation, _ viewer: Incarnation?) -> [[RowField]] {
    guard viewer == nil || viewer == key, let agent = agents[key] else { return [] }
    return agent.answers.sorted().map { name in
      fields([
        ("agent", agent.name), ("incarnation", "\(key.value)"), ("group", "\(name.group)"),
        ("name", name.topic.text),
      ])
    }
  }

  /// How far a reader is: nothing for one that has no place in the stream.
  ///
  /// The words are the reader's and the publisher's own, so none may be larger than possible: a
  /// record takes 64 bytes at least.
  private func headway(
    of attachment: Attachment, _ reader: Agent, in stream: BusStream
  ) -> [RowField] {
    let start: UInt64
    var first: UInt64?
    switch attachment.phase {
    case .joined(let joined): (start, first) = (joined.startPosition, joined.startSequence)
    case .resumed: start = 0
    case .announced, .attached, .evicted: return []
    }
    guard let slot = attachment.slot.flatMap({ probe.slot($0, of: reader.reader) }),
      slot.attachment == attachment.number.value
    else { return [] }
    let at = max(slot.cursor, start)
    // Of a log that is with its one reader alone only the cursor is known.
    let end = progress(of: stream)?.commit
    let most = (end ?? at) / 64
    var found = [
      ("received", "\(min(slot.received, most))"), ("gaps", "\(min(slot.gaps, most))"),
    ]
    if let end { found.append(("behind_bytes", "\(end > at ? end - at : 0)")) }
    if let first { found.append(("start", "\(first)")) }
    return fields(found)
  }

  /// How far a stream has come; nil when no log of it can be read.
  ///
  /// A log that was registered and not yet used says nothing of what lies in the one before it.
  private func progress(of stream: BusStream) -> LogProgress? {
    // The largest position stands for one that is not known here.
    if let end = stream.end, end.finalPosition != .max {
      return LogProgress(commit: end.finalPosition, sequence: end.sequence)
    }
    var furthest: LogProgress?
    for log in stream.logs.reversed() {
      guard let now = progress(of: log) else { continue }
      if now.commit >= (furthest?.commit ?? 0) { furthest = now }
      if now.commit > log.shape.basePosition { break }
    }
    return furthest
  }

  private func progress(of log: StreamLog) -> LogProgress? {
    log.token.flatMap { probe.progress(of: $0, hotOffset: log.shape.hotOffset) }
  }

  private func fields(_ pairs: [(String, String)]) -> [RowField] {
    pairs.map { RowField(key: $0.0, value: $0.1) }
  }
}

extension RouterState.OpenQuery {
  /// Rows of one turn.
  static let rowsPerTurn = 256

  /// The smallest numbers beyond the last one, in order; as many as one turn takes.
  ///
  /// One walk over all of them and a short list, so that a query that waits keeps nothing.
  func next(of numbers: some Sequence<UInt64>) -> [UInt64] {
    var found: [UInt64] = []
    found.reserveCapacity(2 * Self.rowsPerTurn)
    var most = until
    for number in numbers where number > last && number <= most {
      found.append(number)
      guard found.count == 2 * Self.rowsPerTurn else { continue }
      found.sort()
      found.removeLast(Self.rowsPerTurn)
      most = found[Self.rowsPerTurn - 1]
    }
    found.sort()
    return Array(found.prefix(Self.rowsPerTurn))
  }
}
