import BusLog
import BusSystem
import BusWire
import Synchronization

// The logs of a stream, and what a router that does not know the stream is told.

extension PublisherShared {
  /// A log the router may have to be told of again.
  struct Log: Sendable {
    var generation: UInt32
    var capacity: UInt64
    var segmentBytes: UInt64
    var basePosition: UInt64
    var descriptor: FileDescriptor
  }

  /// Every log that some reader may still need, oldest first, and the readers.
  ///
  /// A log that is ready but not in use has no place in the stream yet: it is dropped, and the
  /// publisher asks for another. One that the publisher is going over to is waited for; nil when
  /// its thread stands still in between: to a router without these logs the stream is over.
  func restoreSteps() -> [RestoreStep<FileDescriptor>]? {
    // In one look: a publisher that takes the log between two would move where no router knows.
    for _ in 0..<500 {
      if let logs = logStepsUnlessMoving() { return logs + readerSteps() }
      SystemThread.sleep(milliseconds: 1)
    }
    return nil
  }

  private func logStepsUnlessMoving() -> [RestoreStep<FileDescriptor>]? {
    state.withLock { state in
      if state.growth.isMoving { return nil }
      guard let stream = state.stream else { return [] }
      if state.growth.restore() { state.logs.removeAll { $0.basePosition == .max } }
      let newest = state.logs.last { $0.basePosition != .max }?.generation
      return state.logs.map { log in
        let isCurrent = log.generation == newest
        let frame = RestoreLogFrame(
          stream: stream, channel: channel, generation: log.generation, capacity: log.capacity,
          segmentBytes: log.segmentBytes, current: isCurrent, retired: !isCurrent,
          proof: state.proof)
        return RestoreStep(.stream(stream), .restoreLog(frame), log.descriptor)
      }
    }
  }

  /// The readers in the window, and those for which it is kept at its start: whose these are
  /// nobody knows, which the incarnation 0 says.
  private func readerSteps() -> [RestoreStep<FileDescriptor>] {
    guard let stream else { return [] }
    let expected = gate.expected.map { (AttachmentID($0), Incarnation(0)) }
    return readers.merging(expected) { known, _ in known }.map { attachment, reader in
      let frame = RestoreReaderFrame(
        stream: stream, attachment: attachment, readerIncarnation: reader)
      return RestoreStep(.stream(stream), .restoreReader(frame), hasAnswer: false)
    }
  }
}
