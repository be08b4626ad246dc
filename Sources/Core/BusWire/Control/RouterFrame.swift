/// Everything the router says to an agent.
public enum RouterFrame: Hashable, Sendable {
  /// See `WelcomeFrame`.
  case welcome(WelcomeFrame)
  /// See `RegisteredFrame`.
  case registered(RegisteredFrame)
  /// See `LogAddedFrame`.
  case logAdded(LogAddedFrame)
  /// See `SubscribedFrame`.
  case subscribed(SubscribedFrame)
  /// See `AnnounceFrame`.
  case announce(AnnounceFrame)
  /// See `JoinFrame`.
  case join(JoinFrame)
  /// See `JoinedFrame`.
  case joined(JoinedFrame)
  /// See `LeaveFrame`.
  case leave(LeaveFrame)
  /// See `AgentGoneFrame`.
  case agentGone(AgentGoneFrame)
  /// See `StreamEndedFrame`.
  case streamEnded(StreamEndedFrame)
  /// See `EvictedFrame`.
  case evicted(EvictedFrame)
  /// See `SnapshotFrame`.
  case snapshotBegin(SnapshotFrame)
  /// See `SnapshotFrame`.
  case snapshotEnd(SnapshotFrame)
  /// See `RowFrame`.
  case row(RowFrame)
  /// The rows of a query are complete.
  case queryEnd
  /// See `ErrorFrame`.
  case error(ErrorFrame)
  /// Answers restoreDone, addCounters, watch and addBlob.
  case done
  /// See `RespondersFrame`.
  case responders(RespondersFrame)
  /// See `MissedFrame`.
  case missed(MissedFrame)
  /// See `CountersFrame`.
  case counters(CountersFrame)
  /// See `CountersGoneFrame`.
  case countersGone(CountersGoneFrame)
  /// See `BlobFrame`.
  case blob(BlobFrame)

  /// The kind as it stands in the header.
  public var kind: ControlKind { parts.kind }

  /// The bytes of the frame; `request` is 0 where no answer is expected or given.
  public func encode(request: UInt32 = 0) -> [UInt8] {
    let (kind, body) = parts
    return ControlWriter.frame(kind, body, request: request)
  }

  /// Reads one whole frame.
  ///
  /// - Throws: `ControlError` when the bytes are anything but one frame of this direction.
  public static func decode(
    _ bytes: some Sequence<UInt8>
  ) throws(ControlError) -> (request: UInt32, frame: RouterFrame) {
    try ControlReader.frame(Array(bytes), RouterFrame.init)
  }

  /// The kind and what stands behind the header.
  private var parts: (kind: ControlKind, body: (any ControlBody)?) {
    switch self {
    case .welcome(let body): (.welcome, body)
    case .registered(let body): (.registered, body)
    case .logAdded(let body): (.logAdded, body)
    case .subscribed(let body): (.subscribed, body)
    case .announce(let body): (.announce, body)
    case .join(let body): (.join, body)
    case .joined(let body): (.joinedReader, body)
    case .leave(let body): (.leave, body)
    case .agentGone(let body): (.agentGone, body)
    case .streamEnded(let body): (.streamEnded, body)
    case .evicted(let body): (.evicted, body)
    case .snapshotBegin(let body): (.snapshotBegin, body)
    case .snapshotEnd(let body): (.snapshotEnd, body)
    case .row(let body): (.row, body)
    case .queryEnd: (.queryEnd, nil)
    case .error(let body): (.error, body)
    case .done: (.done, nil)
    case .responders(let body): (.responders, body)
    case .missed(let body): (.missed, body)
    case .counters(let body): (.counters, body)
    case .countersGone(let body): (.countersGone, body)
    case .blob(let body): (.blob, body)
    }
  }

  private init(_ kind: ControlKind, from reader: inout ControlReader) throws(ControlError) {
    switch kind {
    case .welcome: self = try .welcome(WelcomeFrame(from: &reader))
    case .registered: self = try .registered(RegisteredFrame(from: &reader))
    case .logAdded: self = try .logAdded(LogAddedFrame(from: &reader))
    case .subscribed: self = try .subscribed(SubscribedFrame(from: &reader))
    case .announce: self = try .announce(AnnounceFrame(from: &reader))
    case .join: self = try .join(JoinFrame(from: &reader))
    case .joinedReader: self = try .joined(JoinedFrame(from: &reader))
    case .leave: self = try .leave(LeaveFrame(from: &reader))
    case .agentGone: self = try .agentGone(AgentGoneFrame(from: &reader))
    case .streamEnded: self = try .streamEnded(StreamEndedFrame(from: &reader))
    case .evicted: self = try .evicted(EvictedFrame(from: &reader))
    case .snapshotBegin: self = try .snapshotBegin(SnapshotFrame(from: &reader))
    case .snapshotEnd: self = try .snapshotEnd(SnapshotFrame(from: &reader))
    case .row: self = try .row(RowFrame(from: &reader))
    case .queryEnd: self = .queryEnd
    case .error: self = try .error(ErrorFrame(from: &reader))
    case .done: self = .done
    case .responders: self = try .responders(RespondersFrame(from: &reader))
    case .missed: self = try .missed(MissedFrame(from: &reader))
    case .counters: self = try .counters(CountersFrame(from: &reader))
    case .countersGone: self = try .countersGone(CountersGoneFrame(from: &reader))
    case .blob: self = try .blob(BlobFrame(from: &reader))
    default: throw .unknownKind(kind.rawValue)
    }
  }
}
