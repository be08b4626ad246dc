package import BusLog
package import BusMemory
import BusWire

/// Why a publisher does not let a reader in, as the reader is told.
package enum RefusedJoin: Error, Equatable {
  /// The reader's segment did not fit into the publisher's table of descriptors.
  case noDescriptor
  /// The publisher's process has no memory to map the reader's segment.
  case noMemory
  /// The publisher may not call `membarrier` any more.
  case noBarrier
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

  /// Why a reader's segment was not mapped: what the kernel refuses is no fault of the reader.
  package init(_ error: MemoryError) {
    switch error.cause {
    case .descriptors: self = .noDescriptor
    case .memory: self = .noMemory
    default: self = .unusableSegment
    }
  }

  /// The reason for people; `publisher` is the agent that says it.
  package func text(_ publisher: String) -> String {
    switch self {
    case .noDescriptor:
      "\(publisher) had no descriptor left to let this reader in: raise its limit of open files "
        + "(`ulimit -n`)"
    case .noMemory: "\(publisher) had no memory left to let this reader in"
    case .noBarrier:
      "the publisher may not call membarrier any more: allow it, or make the publisher after the "
        + "filter is in force"
    case .unusableSegment: "the reader segment is not usable"
    case .streamEnded: "\(publisher) publishes this stream no more"
    case .evicted: "it was evicted before, and what it had not read is gone"
    }
  }

  /// What the publisher's own program is told; nil for what is not of its making.
  package func ownFailure(_ publisher: String) -> BusError? {
    switch self {
    case .noDescriptor:
      .resourceExhausted(
        "\(publisher) had no descriptor left to let a reader in", cause: .descriptors)
    case .noMemory:
      .resourceExhausted("\(publisher) had no memory left to let a reader in", cause: .memory)
    case .noBarrier: .system(text(publisher))
    case .unusableSegment, .streamEnded, .evicted: nil
    }
  }
}

/// The readers that a publisher had no room for: they miss what it publishes.
package struct UnmetReaders: Equatable, Sendable {
  /// How many, each time counted that one of them asked.
  package private(set) var count = 0
  /// Why the first of them was not let in.
  package private(set) var reason: BusError?

  package init() {}

  /// One more.
  package mutating func note(_ why: BusError) {
    count += 1
    reason = reason ?? why
  }
}
