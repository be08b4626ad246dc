package import BusMemory
package import BusWire
import CBusABI
import Synchronization

/// The segments in which the readers of other agents leave their marks, each mapped once.
///
/// An agent has one such segment for all its readers, and hands it in with each of them. It stays
/// mapped for as long as one of them is in the window of one of our publishers; here it is only
/// remembered.
package final class PeerReaderSegments: Sendable {
  private struct Known: Sendable {
    let file: MemoryFile
    weak var segment: PeerSegment?
  }

  private struct State: Sendable {
    var segments: [Incarnation: Known] = [:]
    /// Fewest entries among which those without a mapping are looked for.
    var sweepAt = 64
  }

  private let state = Mutex(State())

  package init() {}

  /// Entries kept, those included whose segment is mapped no more.
  package var count: Int { state.withLock { $0.segments.count } }

  /// The mapping of the segment that was handed in for an agent's incarnation.
  ///
  /// The descriptor stays the caller's. Another file than the one before is mapped anew: whoever
  /// hands it in means that one. Throws when it is no such segment.
  package func segment(
    of incarnation: Incarnation, _ descriptor: Int32
  ) throws(MemoryError) -> PeerSegment {
    let file = try MemoryFile(of: descriptor)
    let known = state.withLock { $0.segments[incarnation] }
    // While it is mapped, its number is that of no other file.
    if let known, known.file == file, let segment = known.segment { return segment }
    let size = UInt64(BUS_READER_SEGMENT_BYTES)
    let segment = try PeerSegment(of: descriptor, announced: size)
    state.withLock { state in
      if state.segments.count >= state.sweepAt {
        state.segments = state.segments.filter { $0.value.segment != nil }
        state.sweepAt = max(64, 2 * state.segments.count)
      }
      state.segments[incarnation] = Known(file: file, segment: segment)
    }
    return segment
  }
}
