package import BusLog

/// Why a publisher does not let a reader in, as the reader is told.
package enum RefusedJoin: Error, Equatable {
  /// The reader's segment did not fit into the publisher's table of descriptors.
  case noDescriptor
  /// The reader's segment is not what it should be.
  case unusableSegment
  case streamEnded
  case evicted

  /// What the gate says.
  package init(_ refusal: FlowControl.JoinRefusal) {
    switch refusal {
    case .streamEnded: self = .streamEnded
    case .evicted: self = .evicted
    }
  }

  /// The reason for people; `publisher` is the agent that says it.
  package func text(_ publisher: String) -> String {
    switch self {
    case .noDescriptor:
      "\(publisher) had no descriptor left to let this reader in: raise its limit of open files "
        + "(`ulimit -n`)"
    case .unusableSegment: "the reader segment is not usable"
    case .streamEnded: "\(publisher) publishes this stream no more"
    case .evicted: "it was evicted before, and what it had not read is gone"
    }
  }
}
