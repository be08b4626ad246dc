import BusAccess
public import BusWire

/// What a frame hands in, as far as the frame says it.
public struct SegmentOffer: Hashable, Sendable {
  /// What a descriptor is to stand for.
  public enum Kind: Hashable, Sendable {
    /// An agent's cursors; all of them have one size.
    case reader
    /// A log.
    case log
    /// A segment of counters.
    case counters
    /// A blob.
    case blob
  }

  /// What it is to be.
  public let kind: Kind
  /// How large the frame says it is, in bytes; nil: the frame does not say.
  public let bytes: UInt64?
}

/// Why a request is refused, as far as it is known before anything is done.
struct Refusal {
  /// The code, or the cause that says more than the code does.
  let number: UInt16
  let text: String
  /// What the operator is told, where the agent must not learn the reason.
  let reason: String?

  init(_ code: BusErrorCode, _ text: String) {
    (number, self.text, reason) = (code.rawValue, text, nil)
  }

  init(because cause: BusErrorCause, _ text: String) {
    (number, self.text, reason) = (cause.rawValue, text, nil)
  }

  /// The policy does not give it.
  init(deniedBecause reason: String) {
    (number, text) = (BusErrorCode.denied.rawValue, Decision.remoteText)
    self.reason = reason
  }
}

extension RouterState {
  /// What comes with a frame of this connection; nil when the frame is refused whatever it is, so
  /// that nobody need look at the descriptor.
  ///
  /// To look at a segment takes time that grows with its size, so who may not hand it in, or not
  /// one so large, is refused before: the answer to the frame does not depend on the segment.
  public func offer(of frame: AgentFrame, from id: ConnectionID) -> SegmentOffer? {
    guard let connection = connections[id], !connection.isStranger, connection.incarnation != nil
    else { return nil }
    switch frame {
    case .register, .reattach:
      return connection.agent == nil ? SegmentOffer(kind: .reader, bytes: nil) : nil
    default:
      guard let owner = connection.agent.flatMap({ agents[$0] }) else { return nil }
      return offer(of: frame, by: owner)
    }
  }

  private func offer(of frame: AgentFrame, by owner: Agent) -> SegmentOffer? {
    switch frame {
    case .addLog(let frame):
      guard objection(to: frame, by: owner) == nil else { return nil }
      return SegmentOffer(kind: .log, bytes: frame.segmentBytes)
    case .restoreLog(let frame):
      guard owner.handingIn == .underWay, objection(to: frame, by: owner) == nil else { return nil }
      return SegmentOffer(kind: .log, bytes: frame.segmentBytes)
    case .addCounters(let frame):
      guard objection(to: frame, by: owner) == nil else { return nil }
      return SegmentOffer(kind: .counters, bytes: frame.segmentBytes)
    case .addBlob(let frame):
      guard !isKnown(frame, of: owner), objection(to: frame, by: owner) == nil else { return nil }
      return SegmentOffer(kind: .blob, bytes: frame.segmentBytes)
    default: return nil
    }
  }

  mutating func refuse(_ asker: Requester, _ refusal: Refusal) {
    refuse(asker, number: refusal.number, refusal.text)
    if let reason = refusal.reason { say(.notice, "denied: \(reason)") }
  }

  /// Gives back a segment that is not taken, and says why.
  mutating func turnDown(_ segment: Segment, _ asker: Requester, _ refusal: Refusal) {
    act(.close(segment.token))
    refuse(asker, refusal)
  }
}

extension Segment {
  /// Why this is refused where another segment was wanted.
  func refusal(wanted: String) -> Refusal {
    let text = complaint(wanted: wanted)
    return switch finding {
    case .noDescriptor: Refusal(because: .descriptors, text)
    case .noRoom: Refusal(.resourceExhausted, text)
    default: Refusal(.invalid, text)
    }
  }

  private func complaint(wanted: String) -> String {
    switch finding {
    case .unusable(let text), .noRoom(let text), .noDescriptor(let text): text
    case .log: "The descriptor is a log; a \(wanted) belongs here."
    case .reader: "The descriptor is a reader segment; a \(wanted) belongs here."
    case .counters: "The descriptor is a segment of counters; a \(wanted) belongs here."
    case .blob: "The descriptor is a blob; a \(wanted) belongs here."
    }
  }
}
