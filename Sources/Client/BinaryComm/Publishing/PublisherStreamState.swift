package import BusLog
package import BusWire

/// The stream of one publisher: its registration, the readers in its window, its logs and its end.
///
///     unregistered ─opened─▶ registered ─close─▶ closed         (shut: nothing more is published)
///
/// A pure value, shared by the service thread and the publishing thread under a mutex. Frames of
/// the router, and what the window and the memory say, come in as calls, time as an argument; what
/// is to be done goes out as actions, in this order. ``PublisherShared`` lets it meet flow control,
/// memory and the connection; a simulation stands for these. A `Log` is the memory of a larger log,
/// a `Descriptor` what a router is handed of one.
package struct PublisherStreamState<Descriptor: Sendable, Log: ~Copyable & Sendable>: ~Copyable,
  Sendable
{
  /// Whom to tell what: nothing that needs the window, which brings some of it about itself.
  package enum Notice: Sendable {
    case router(AgentFrame)
    /// Whoever made this publisher: a reader reads the stream no more.
    case readerLeft
  }

  /// What is to be done, in this order.
  package enum Action: Sendable {
    case notify(Notice)
    /// The router's frames about the stream are for this publisher from now on.
    case enlist(StreamID)
    /// The stream is counted no more; the router's frames about it, if it has a name, are for
    /// nobody.
    case delist(StreamID?)
    /// Keep the window at the stream's start until each of these has named its slot.
    case expect([AttachmentID])
    /// The same if the window is still there; ``wentOn(without:)`` if not.
    case expectInstead([AttachmentID])
    /// Map the segment that was handed over, ``admit(_:)`` the reader, let it into the window, and
    /// ``joined(_:at:)``; ``refuse(_:_:)`` where one of these does not go.
    case letIn(JoinFrame, Descriptor?)
    /// Take a reader out of the window, if it is there, and ``left(_:wasInWindow:)``.
    case takeOut(AttachmentID)
    /// ``endSnapshot(window:)`` with those who are in the window.
    case compareWindow
    /// Have the stream closed: this process has no room for a reader, and the router lets it have
    /// what it was promised of a stream that has ended.
    case unmet(BusError)
    /// The window lets nothing more be published.
    case shutWindow
    /// The window lets nobody join any more.
    case endWindow
    /// Have the service thread ``prepare()`` a log.
    case wake
    /// Make this log and ``offer(_:_:)`` it; ``routerLost()`` or ``refused(_:)`` if it cannot be.
    case make(LogShape, generation: UInt32)
    /// Have the router register a larger log: ``registered(_:)``, ``refused(_:)`` or
    /// ``routerLost()``.
    case register(AddLogFrame, Descriptor)
  }

  /// A log that a router may have to be told of again.
  struct Entry: Sendable {
    let generation: UInt32
    let shape: LogShape
    /// Where it begins in the stream; nil while the publisher has not gone over to it.
    var basePosition: UInt64?
    let descriptor: Descriptor
  }

  package let channel: String
  /// The agent whose stream it is.
  let publisher: String
  /// A reader for which there is no room ends the stream, in place of being refused.
  let closesUnmet: Bool
  /// The router's name for the stream, nil before it was registered.
  package private(set) var stream: StreamID?
  /// The router's word that the stream is ours.
  private(set) var proof = ControlTicket.none
  private(set) var isClosed = false
  /// Why nothing can be published any more, nil while it can.
  package private(set) var ended: BusError?
  private var readers = AttachedReaders()
  /// Readers that this process had no room to let in so far.
  package private(set) var unmet = UnmetReaders()
  /// Every log that some reader may still need, oldest first; behind them the one that is
  /// registered, and not in use yet.
  var logs: [Entry] = []
  /// A larger log, between the wish for it and its use.
  var growth = LogGrowthState<Log>()
  /// That log, while the router is asked to register it.
  var offered: Entry?

  /// No router knows the stream yet.
  package init(channel: String, publisher: String, closesUnmet: Bool = false) {
    self.channel = channel
    self.publisher = publisher
    self.closesUnmet = closesUnmet
  }

  /// It may grow, and a router may have to be told of it.
  var isOver: Bool { isClosed || ended != nil }

  // MARK: Its beginning and its end

  /// What a router is asked that does not know the stream yet.
  package func firstLog(_ shape: LogShape) -> AddLogFrame {
    addLog(StreamID(0), shape, generation: 0)
  }

  /// The router has registered the stream with its first log: on return publishing is safe.
  package mutating func opened(
    _ added: LogAddedFrame, _ shape: LogShape, _ descriptor: Descriptor
  ) -> [Action] {
    // A stream that nobody will ever write is not left behind.
    guard stream == nil, !isClosed else { return [.notify(.router(Self.close(added.stream)))] }
    stream = added.stream
    proof = added.proof
    logs = [Entry(generation: 0, shape: shape, basePosition: 0, descriptor: descriptor)]
    return [.expect(added.expected), .enlist(added.stream)]
  }

  /// The agent has ended: the publishing thread finds out at its next look.
  package mutating func shut(_ why: BusError) -> [Action] {
    ended = why
    // Nobody will be handed these again: their descriptors go back.
    logs = []
    return [.shutWindow]
  }

  /// The publisher is given up, and with it the stream.
  package mutating func close() -> [Action] {
    guard !isClosed else { return [] }
    isClosed = true
    let farewell = stream.map { [Action.notify(.router(Self.close($0)))] } ?? []
    // The window after the router was told: a join that the service thread handles until then is
    // let in, and one that it refuses afterwards is refused for a stream that has ended, which
    // harms nobody.
    return [.delist(stream)] + farewell + [.endWindow]
  }

  private static func close(_ stream: StreamID) -> AgentFrame {
    .closeStream(CloseStreamFrame(stream: stream))
  }

  // MARK: Frames of the router

  /// Takes a frame that answers nothing.
  package mutating func hear(_ frame: RouterFrame, _ descriptor: Descriptor? = nil) -> [Action] {
    switch frame {
    case .join(let join) where join.stream == stream:
      readers.announce(join.attachment)
      return [.letIn(join, descriptor)]
    case .leave(let leave): return [.takeOut(leave.attachment)]
    case .agentGone(let gone):
      return readers.readers(of: gone.incarnation).sorted().map { .takeOut($0) }
    case .logAdded(let added) where added.stream == stream:
      // As a snapshot repeats them, or in the place of those that a former router had promised.
      let isInSnapshot = readers.name(added.expected)
      return isInSnapshot ? [] : [.expectInstead(added.expected)]
    case .snapshotBegin:
      readers.beginSnapshot()
      return []
    case .snapshotEnd: return [.compareWindow]
    default: return []
    }
  }

  /// A snapshot is over: what it did not name has left while frames were lost.
  package mutating func endSnapshot(window: Set<AttachmentID>) -> [Action] {
    readers.endSnapshot(window: window).sorted().map { .takeOut($0) }
  }

  /// The window has left the start of the stream, where the router expects these readers.
  package func wentOn(without expected: [AttachmentID]) -> [Notice] {
    expected.map { reader in
      let reason = "the publisher went on without it"
      return .router(.joinRefused(JoinRefusedFrame(attachment: reader, reason: reason)))
    }
  }

  // MARK: The window

  /// A reader is about to be let into the window.
  ///
  /// Before the publishing thread may find it gone again: what it says then is not too early.
  package mutating func admit(_ join: JoinFrame) {
    readers.insert(join.attachment, of: join.readerIncarnation)
  }

  /// The window has let a reader in, and says where it begins.
  package func joined(_ attachment: AttachmentID, at start: FlowControl.Start) -> [Notice] {
    let frame = JoinedFrame(
      attachment: attachment, generation: start.generation, startPosition: start.position,
      startSequence: start.sequence, departed: start.departed)
    return [.router(.joined(frame))]
  }

  /// A reader is not let in: it is told so, or whoever writes when that is not the reader's fault.
  package mutating func refuse(_ attachment: AttachmentID, _ why: RefusedJoin) -> [Action] {
    switch why {
    case .streamEnded, .evicted: readers.remove(attachment)
    // Nothing that was mapped before is taken from it.
    case .noDescriptor, .noMemory, .noBarrier, .unusableSegment: break
    }
    if let failure = why.ownFailure(publisher) {
      unmet.note(failure)
      if closesUnmet { return [.unmet(failure)] }
    }
    let frame = JoinRefusedFrame(attachment: attachment, reason: why.text(publisher))
    return [.notify(.router(.joinRefused(frame)))]
  }

  /// A reader is in the window no more; `wasInWindow`: it was there until now.
  ///
  /// One that was expected and never named its slot is known to the window alone; one that the
  /// publishing thread found gone is known to neither, and was told then.
  package mutating func left(_ attachment: AttachmentID, wasInWindow: Bool) -> [Notice] {
    let wasAttached = readers.remove(attachment)
    return wasAttached || wasInWindow ? [.readerLeft] : []
  }

  /// The window has put a reader out that kept the publisher waiting.
  package mutating func evicted(_ attachment: AttachmentID, _ reason: String) -> [Notice] {
    let frame = AgentFrame.evict(EvictFrame(attachment: attachment, reason: reason))
    return left(attachment, wasInWindow: false) + [.router(frame)]
  }

  /// The readers in the window, each with the incarnation it belongs to.
  package func readers(in window: Set<AttachmentID>) -> [AttachmentID: Incarnation] {
    readers.present(in: window)
  }
}

/// A simulation copies its agents.
extension PublisherStreamState: Copyable where Log: Copyable {}
