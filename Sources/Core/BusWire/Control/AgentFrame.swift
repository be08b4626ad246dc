/// Everything an agent says to the router.
public enum AgentFrame: Hashable, Sendable {
  /// See `HelloFrame`.
  case hello(HelloFrame)
  /// See `RegisterFrame`.
  case register(RegisterFrame)
  /// See `AddLogFrame`.
  case addLog(AddLogFrame)
  /// See `RetireLogFrame`.
  case retireLog(RetireLogFrame)
  /// See `CloseStreamFrame`.
  case closeStream(CloseStreamFrame)
  /// See `SubscribeFrame`.
  case subscribe(SubscribeFrame)
  /// See `UnsubscribeFrame`.
  case unsubscribe(UnsubscribeFrame)
  /// See `AttachFrame`.
  case attach(AttachFrame)
  /// See `DetachFrame`.
  case detach(DetachFrame)
  /// See `ReleasedFrame`.
  case released(ReleasedFrame)
  /// See `JoinedFrame`.
  case joined(JoinedFrame)
  /// See `JoinRefusedFrame`.
  case joinRefused(JoinRefusedFrame)
  /// See `EvictFrame`.
  case evict(EvictFrame)
  /// See `QueryFrame`.
  case query(QueryFrame)
  /// The agent ends; the socket closes next.
  case goodbye
  /// See `ReattachFrame`.
  case reattach(ReattachFrame)
  /// See `RestoreLogFrame`.
  case restoreLog(RestoreLogFrame)
  /// See `RestoreReaderFrame`.
  case restoreReader(RestoreReaderFrame)
  /// See `SubscribeFrame`.
  case restoreSubscription(SubscribeFrame)
  /// See `RestoreAttachmentFrame`.
  case restoreAttachment(RestoreAttachmentFrame)
  /// Everything that was held before the restart is handed in.
  case restoreDone
  /// See `AnswerFrame`.
  case answer(AnswerFrame)
  /// See `NameFrame`.
  case resolve(NameFrame)
  /// See `NameFrame`.
  case forget(NameFrame)
  /// See `AddCountersFrame`.
  case addCounters(AddCountersFrame)
  /// Asks for everybody's counters, now and as they come.
  case watch
  /// See `AddBlobFrame`.
  case addBlob(AddBlobFrame)
  /// See `OpenBlobFrame`.
  case openBlob(OpenBlobFrame)
  /// See `DropBlobFrame`.
  case dropBlob(DropBlobFrame)
  /// Ends what `watch` began.
  case unwatch
  /// See `ReannounceFrame`.
  case reannounce(ReannounceFrame)

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
  ) throws(ControlError) -> (request: UInt32, frame: AgentFrame) {
    try ControlReader.frame(Array(bytes), AgentFrame.init)
  }

  /// The kind and what stands behind the header.
  private var parts: (kind: ControlKind, body: (any ControlBody)?) {
    switch self {
    case .hello(let body): (.hello, body)
    case .register(let body): (.register, body)
    case .addLog(let body): (.addLog, body)
    case .retireLog(let body): (.retireLog, body)
    case .closeStream(let body): (.closeStream, body)
    case .subscribe(let body): (.subscribe, body)
    case .unsubscribe(let body): (.unsubscribe, body)
    case .attach(let body): (.attach, body)
    case .detach(let body): (.detach, body)
    case .released(let body): (.released, body)
    case .joined(let body): (.joined, body)
    case .joinRefused(let body): (.joinRefused, body)
    case .evict(let body): (.evict, body)
    case .query(let body): (.query, body)
    case .goodbye: (.goodbye, nil)
    case .reattach(let body): (.reattach, body)
    case .restoreLog(let body): (.restoreLog, body)
    case .restoreReader(let body): (.restoreReader, body)
    case .restoreSubscription(let body): (.restoreSubscription, body)
    case .restoreAttachment(let body): (.restoreAttachment, body)
    case .restoreDone: (.restoreDone, nil)
    case .answer(let body): (.answer, body)
    case .resolve(let body): (.resolve, body)
    case .forget(let body): (.forget, body)
    case .addCounters(let body): (.addCounters, body)
    case .watch: (.watch, nil)
    case .addBlob(let body): (.addBlob, body)
    case .openBlob(let body): (.openBlob, body)
    case .dropBlob(let body): (.dropBlob, body)
    case .unwatch: (.unwatch, nil)
    case .reannounce(let body): (.reannounce, body)
    }
  }

  private init(_ kind: ControlKind, from reader: inout ControlReader) throws(ControlError) {
    switch kind {
    case .hello: self = try .hello(HelloFrame(from: &reader))
    case .register: self = try .register(RegisterFrame(from: &reader))
    case .addLog: self = try .addLog(AddLogFrame(from: &reader))
    case .retireLog: self = try .retireLog(RetireLogFrame(from: &reader))
    case .closeStream: self = try .closeStream(CloseStreamFrame(from: &reader))
    case .subscribe: self = try .subscribe(SubscribeFrame(from: &reader))
    case .unsubscribe: self = try .unsubscribe(UnsubscribeFrame(from: &reader))
    case .attach: self = try .attach(AttachFrame(from: &reader))
    case .detach: self = try .detach(DetachFrame(from: &reader))
    case .released: self = try .released(ReleasedFrame(from: &reader))
    case .joined: self = try .joined(JoinedFrame(from: &reader))
    case .joinRefused: self = try .joinRefused(JoinRefusedFrame(from: &reader))
    case .evict: self = try .evict(EvictFrame(from: &reader))
    case .query: self = try .query(QueryFrame(from: &reader))
    case .goodbye: self = .goodbye
    case .reattach: self = try .reattach(ReattachFrame(from: &reader))
    case .restoreLog: self = try .restoreLog(RestoreLogFrame(from: &reader))
    case .restoreReader: self = try .restoreReader(RestoreReaderFrame(from: &reader))
    case .restoreSubscription: self = try .restoreSubscription(SubscribeFrame(from: &reader))
    case .restoreAttachment: self = try .restoreAttachment(RestoreAttachmentFrame(from: &reader))
    case .restoreDone: self = .restoreDone
    case .answer: self = try .answer(AnswerFrame(from: &reader))
    case .resolve: self = try .resolve(NameFrame(from: &reader))
    case .forget: self = try .forget(NameFrame(from: &reader))
    case .addCounters: self = try .addCounters(AddCountersFrame(from: &reader))
    case .watch: self = .watch
    case .addBlob: self = try .addBlob(AddBlobFrame(from: &reader))
    case .openBlob: self = try .openBlob(OpenBlobFrame(from: &reader))
    case .dropBlob: self = try .dropBlob(DropBlobFrame(from: &reader))
    case .unwatch: self = .unwatch
    case .reannounce: self = try .reannounce(ReannounceFrame(from: &reader))
    default: throw .unknownKind(kind.rawValue)
    }
  }
}
