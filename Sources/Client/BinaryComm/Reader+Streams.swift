import BusCounters
import BusLog
import BusMemory
import BusWire

// What changes the set of streams: joins, rotation, ends, eviction. None of it per message.

extension Reader {
  /// Applies what the service thread left.
  @usableFromInline @inline(never)
  mutating func takeChanges() throws(BusError) {
    seenChanges = changes.loadRelaxed()
    var failure: BusError?
    for event in core.takeEvents() {
      switch event {
      case .opened(let opened): failure = open(opened) ?? failure
      case .log(let key, let generation, let segment):
        if let at = place(of: key) { addLog(at, generation, segment) }
      case .ended(let key, let final):
        if let at = place(of: key) { end(at, final) }
      case .evicted(let key, let reason):
        if let at = place(of: key) {
          failure = .evicted("\(name(at)): \(reason)")
          remove(at, .evicted)
        }
      case .refused(let error), .closed(let error): failure = error
      }
    }
    if let failure { throw failure }
  }

  private mutating func open(_ opened: OpenedStream) -> BusError? {
    if streamCount == streamRoom { enlarge() }
    do throws(MemoryError) {
      let stream = try ReadStream(opened, pattern: core.pattern, mode: core.mode)
      append(stream)
      return nil
    } catch {
      core.finish(opened.source.attachment)
      return .corrupt("the log of \(opened.source.publisherName): \(error.message)")
    }
  }

  /// Acts on a stream whose log says something else than "go on".
  @usableFromInline @inline(never)
  mutating func follow(_ at: Int) throws(BusError) {
    switch state(at) {
    case .open: return
    case .rotated:
      guard !hasLeftovers(at) else { return }
      let generation = self.generation(at)
      do throws(BusError) {
        guard try moveOn(at) else { return }
      } catch {
        remove(at, .corrupt)
        throw error
      }
      core.released(key(at), generation)
    case .ended:
      guard !hasLeftovers(at) else { return }
      past.ended += 1
      remove(at, nil)
    case .evicted:
      let name = name(at)
      remove(at, .evicted)
      throw .evicted("the publisher \(name) went on without this reader; the last batch is void")
    case .corrupt:
      let name = name(at)
      remove(at, .corrupt)
      throw .corrupt("the log of \(name) holds bytes that are no record; it is not read any more")
    }
  }

  /// Forgets a stream; its counts stay in ``statistics``.
  ///
  /// Of messages that are not read any more the row says why; nil: all were read.
  private mutating func remove(_ at: Int, _ reason: DropReason?) {
    let key = key(at)
    leave(at, reason)
    past = adding(at, to: past)
    drop(at)
    core.finish(key)
  }

  /// What was seen so far.
  public var statistics: ReaderStatistics {
    var sum = past
    for at in 0..<streamCount { sum = adding(at, to: sum) }
    sum.streams = streamCount
    return sum
  }

  /// Publishers that have not let this reader in yet because they are stopped.
  public var pendingPublishers: [String] { core.pendingPublishers }

  /// Ends the subscription; publishers stop waiting for it at once.
  public mutating func close() {
    guard !isClosed else { return }
    isClosed = true
    while streamCount > 0 { remove(streamCount - 1, .left) }
    core.close()
  }
}
