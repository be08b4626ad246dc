package import BusLog
package import BusWire

// The logs of a stream: larger ones, those that readers have left, and what a router is told that
// does not know the stream.

extension PublisherStreamState where Log: ~Copyable {
  func addLog(_ stream: StreamID, _ shape: LogShape, generation: UInt32) -> AddLogFrame {
    AddLogFrame(
      stream: stream, channel: channel, generation: generation, capacity: shape.capacity,
      segmentBytes: shape.segmentBytes)
  }

  // MARK: A larger log

  /// The publishing thread wants a larger log.
  package mutating func ask(for shape: LogShape) -> [Action] {
    growth.ask(for: shape) ? [.wake] : []
  }

  /// The service thread has a router, and makes the log that was asked for.
  package mutating func prepare() -> [Action] {
    guard stream != nil, !isOver, let shape = growth.begin() else { return [] }
    return [.make(shape, generation: nextGeneration)]
  }

  /// It is made.
  package mutating func offer(_ log: consuming Log, _ descriptor: Descriptor) -> [Action] {
    guard let stream, !isOver, let shape = growth.offer(log) else { return [] }
    let entry = Entry(generation: nextGeneration, shape: shape, descriptor: descriptor)
    offered = entry
    return [.register(addLog(stream, shape, generation: entry.generation), descriptor)]
  }

  private var nextGeneration: UInt32 { (logs.last?.generation ?? 0) + 1 }

  /// The router has registered it.
  package mutating func registered(_ generation: UInt32) {
    guard let entry = offered, entry.generation == generation, growth.registered() else { return }
    offered = nil
    if !isOver { logs.append(entry) }
  }

  /// It cannot be made, or the router refused it: the publisher goes on with the one it has.
  package mutating func refused(_ why: BusError) {
    offered = nil
    growth.refused(why)
  }

  /// The router went in between: the next one is asked.
  package mutating func routerLost() {
    offered = nil
    growth.routerLost()
  }

  // MARK: The publishing thread

  /// Why a log of this size is refused; nil when it is not, or is to be asked for again.
  package mutating func refusal(of shape: LogShape, nowNs: UInt64) -> BusError? {
    growth.refusal(of: shape, nowNs: nowNs)
  }

  /// Whether a log of this size is refused now; leaves the refusal as it is.
  package func isRefused(_ shape: LogShape, nowNs: UInt64) -> Bool {
    growth.isRefused(shape, nowNs: nowNs)
  }

  /// The larger log that the publisher goes over to, once the router has registered it.
  package mutating func take() -> Log? { growth.take() }

  /// There was no room to go over to it now.
  package mutating func giveBack(_ unused: consuming Log) { growth.giveBack(unused) }

  /// The publisher writes this generation now, from this position on.
  package mutating func moved(to generation: UInt32, at position: UInt64) -> [Notice] {
    if let at = logs.firstIndex(where: { $0.generation == generation }) {
      logs[at].basePosition = position
    }
    growth.moved()
    guard let stream, generation > 0 else { return [] }
    return [.router(.retireLog(RetireLogFrame(stream: stream, generation: generation - 1)))]
  }

  // MARK: Logs that readers leave

  /// Logs before the one that is written are kept for a reader.
  ///
  /// A larger log that the publisher has not gone over to has no place in the stream yet, and makes
  /// no other log an old one.
  package var hasOldLogs: Bool { logs.count > 1 && logs[1].basePosition != nil }

  /// Forgets the logs that every reader has left: the lowest position that one of them needs, nil
  /// without readers.
  package mutating func dropDrainedLogs(lowest: UInt64?) {
    while logs.count > 1, let base = logs[1].basePosition, base <= lowest ?? .max {
      logs.removeFirst()
    }
  }

  // MARK: Another router

  /// Every log that some reader may still need, oldest first, the readers in the window, and those
  /// for which it is kept at its start: whose these are nobody knows, which the incarnation 0 says.
  ///
  /// A log that is ready but not in use has no place in the stream yet: it is dropped, and the
  /// publisher asks for another. Nil while the publisher is going over to one.
  package mutating func restoreSteps(
    window: Set<AttachmentID>, expected: [AttachmentID]
  ) -> [RestoreStep<Descriptor>]? {
    guard !growth.isMoving else { return nil }
    guard let stream else { return [] }
    if growth.restore() {
      offered = nil
      logs.removeAll { $0.basePosition == nil }
    }
    let newest = logs.last { $0.basePosition != nil }?.generation
    let logSteps = logs.map { log in
      let isCurrent = log.generation == newest
      let frame = RestoreLogFrame(
        stream: stream, channel: channel, generation: log.generation,
        capacity: log.shape.capacity, segmentBytes: log.shape.segmentBytes, current: isCurrent,
        retired: !isCurrent, proof: proof)
      return RestoreStep(.stream(stream), .restoreLog(frame), log.descriptor)
    }
    let unknown = expected.map { ($0, Incarnation(0)) }
    let present = readers(in: window).merging(unknown) { known, _ in known }
    let readerSteps = present.sorted { $0.key < $1.key }.map { reader, incarnation in
      let frame = RestoreReaderFrame(
        stream: stream, attachment: reader, readerIncarnation: incarnation)
      return RestoreStep<Descriptor>(
        .stream(stream), .restoreReader(frame), hasAnswer: false)
    }
    return logSteps + readerSteps
  }
}
