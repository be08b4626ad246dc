package import BusWire

/// The publishers of an agent by their streams, and which of them a frame of the router is for.
///
/// A pure value.
package struct PublisherTable<Publisher: Sendable>: Sendable {
  package var byStream: [StreamID: Publisher] = [:]
  private var readers = ReaderStreams()
  /// ``keep(_:)`` is due.
  package private(set) var isSweepDue = false

  package init() {}

  /// The publishers that hear a frame which answers nothing, in no order.
  package mutating func hearers(of frame: RouterFrame) -> [(key: StreamID, value: Publisher)] {
    switch frame {
    case .join(let join):
      guard let publisher = byStream[join.stream] else { return [] }
      if readers.note(join.attachment, in: join.stream) { isSweepDue = true }
      return [(join.stream, publisher)]
    case .leave(let leave):
      // One that was expected and has not come, or was forgotten, is anybody's.
      guard let stream = readers.remove(leave.attachment), let publisher = byStream[stream]
      else { return Array(byStream) }
      return [(stream, publisher)]
    case .logAdded(let added): return byStream[added.stream].map { [(added.stream, $0)] } ?? []
    case .agentGone, .snapshotBegin, .snapshotEnd: return Array(byStream)
    default: return []
    }
  }

  /// Forgets the readers that are in nobody's window.
  package mutating func keep(_ present: Set<AttachmentID>) {
    isSweepDue = false
    readers.keep(present)
  }

  /// What a router is told whose answer nobody waits for any more: a stream that nobody will ever
  /// write is not left behind.
  package static func farewell(to answer: RouterFrame) -> AgentFrame? {
    guard case .logAdded(let added) = answer, added.generation == 0 else { return nil }
    return .closeStream(CloseStreamFrame(stream: added.stream))
  }
}
