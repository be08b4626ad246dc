import BusLog
import BusSystem
import BusWire

extension PublisherShared {
  /// A log as it is restored at the next router.
  struct RestoredLog: Sendable {
    let stream: StreamID
    let generation: UInt32
    let capacity: UInt64
    let segmentBytes: UInt64
    let current: Bool
    let proof: ControlTicket
    let descriptor: FileDescriptor
  }

  /// A log the router may have to be told of again.
  struct Log: Sendable {
    var generation: UInt32
    var capacity: UInt64
    var segmentBytes: UInt64
    var basePosition: UInt64
    var descriptor: FileDescriptor
  }
}

extension PublisherShared {
  /// The readers in the window, and those for which it is kept at its start: whose these are
  /// nobody knows, which the incarnation 0 says.
  var awaitedReaders: [AttachmentID: Incarnation] {
    let expected = gate.expected.map { (AttachmentID($0), Incarnation(0)) }
    return readers.merging(expected) { known, _ in known }
  }
}
