import BasicContainers
import BusCounters
import BusLog
import BusMemory
import BusWire

// What changes the set of streams: joins, rotation, ends, eviction. None of it per message.

extension Reader {
  /// Applies what the service thread left.
  @usableFromInline @inline(never)
  mutating func applyChanges() throws(BusError) {
    if let agentEnd { throw agentEnd }
    seenChanges = changes.loadRelaxed()
    var failure: StreamProblem?
    for event in core.drainEvents() {
      switch event {
      case .opened(let opened):
        if let error = open(opened) { failure = note(failure, opened.source.publisherName, error) }
      case .log(let key, let generation, let segment):
        if let at = place(of: key) { streams[at].segments[generation] = segment }
      case .ended(let key, let final):
        if let at = place(of: key) { streams[at].log.end(at: final) }
      case .evicted(let key, let reason):
        if let at = place(of: key) {
          let name = streams[at].source.publisherName
          failure = note(failure, name, .evicted("\(name): \(reason)"))
          remove(at, .evicted)
        }
      case .refused(let problem): failure = note(failure, problem.publisher, problem.error)
      case .refusedMore(let count): past.problems &+= count
      case .closed(let error):
        agentEnd = error
        // Never equal again: the end is thrown whenever somebody looks, and nobody sleeps on it.
        seenChanges = changes.loadRelaxed() &- 1
        throw error
      }
    }
    guard let failure else { return }
    throw failure.error
  }

  /// Adds a problem to those that nobody has taken yet; of many the first ones are kept, and the
  /// newest.
  mutating func note(
    _ before: StreamProblem?, _ publisher: String, _ error: BusError
  ) -> StreamProblem {
    let problem = StreamProblem(publisher: publisher, error: error)
    past.problems &+= 1
    if problems.count >= Self.problemsMax { problems.removeLast() }
    problems.append(problem)
    return before ?? problem
  }

  /// Problems that are kept until they are taken.
  private static var problemsMax: Int { ReaderInbox.problemsMax }

  /// What happened to single publishers' streams since the last call, the first 63 of it and the
  /// last; how much there was altogether is in ``ReaderStatistics/problems``.
  ///
  /// ``poll(limit:_:)`` throws the first of those that it comes upon at a time.
  public mutating func drainProblems() -> [StreamProblem] {
    defer {
      problems.removeAll()
      evictedStream = nil
    }
    return problems
  }

  private mutating func open(_ opened: OpenedStream) -> BusError? {
    do throws(MemoryError) {
      let stream = try ReadStream(
        opened, pattern: core.pattern, mode: core.mode, takesAll: takesAll)
      append(stream)
      return nil
    } catch {
      core.finish(opened.source.attachment)
      if case .system = error {
        return .noMemory("the log of \(opened.source.publisherName)", error)
      }
      return .corrupt("the log of \(opened.source.publisherName): \(error.message)")
    }
  }

  /// Acts on a stream whose log says something else than "go on".
  @usableFromInline @inline(never)
  mutating func follow(_ at: Int) throws(BusError) {
    let name = streams[at].source.publisherName
    switch streams[at].log.state {
    case .open: return
    case .rotated:
      guard !streams[at].log.hasLeftovers else { return }
      let generation = streams[at].log.identity.generation
      do throws(MemoryError) {
        guard try streams[at].moveOn() else { return }
      } catch {
        remove(at, .corrupt)
        throw note(nil, name, .corrupt("the log of \(name): \(error.message)")).error
      }
      core.released(streams[at].source.attachment, generation)
    case .ended:
      guard !streams[at].log.hasLeftovers else { return }
      past.ended += 1
      remove(at, nil)
    case .evicted:
      evictedStream = streams[at].source.stream
      remove(at, .evicted)
      let text = "the publisher \(name) went on without this reader; its last batch is void"
      throw note(nil, name, .evicted(text)).error
    case .corrupt:
      remove(at, .corrupt)
      let text = "the log of \(name) holds bytes that are no record; it is not read any more"
      throw note(nil, name, .corrupt(text)).error
    }
  }

  /// How many messages there are of each of these streams; of those that are open here.
  package func published(in keys: Set<AttachmentID>) -> [AttachmentID: UInt64] {
    let mine = streams.indices.filter { keys.contains(streams[$0].source.attachment) }
    return Dictionary(
      uniqueKeysWithValues: mine.map { (streams[$0].source.attachment, streams[$0].published) })
  }

  /// Whether so many messages of each of these streams were taken, or there are no more.
  package func hasTaken(_ counts: [AttachmentID: UInt64]) -> Bool {
    streams.indices.allSatisfy { at in
      streams[at].log.settledSequence >= counts[streams[at].source.attachment] ?? 0
    }
  }

  /// Forgets a stream; its counts stay in ``statistics``.
  ///
  /// Records why the remaining messages are dropped; nil if none remain.
  private mutating func remove(_ at: Int, _ reason: DropReason?) {
    streams[at].leave(reason)
    past.add(streams[at].statistics)
    core.finish(drop(at))
  }

  /// What was seen so far.
  public var statistics: ReaderStatistics {
    var sum = past
    for at in streams.indices { sum.add(streams[at].statistics) }
    sum.streams = streams.count
    return sum
  }

  /// Publishers that have not let this reader in yet because they are stopped.
  public var pendingPublishers: [String] { core.pendingPublishers }

  /// Ends the subscription; publishers stop waiting for it at once.
  public mutating func close() {
    guard !isClosed else { return }
    isClosed = true
    while streams.count > 0 { remove(streams.count - 1, .left) }
    core.close()
  }
}
