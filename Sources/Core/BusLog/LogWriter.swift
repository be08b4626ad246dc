public import BusCounters
public import BusMemory
public import BusWire
import CBusABI
public import CBusPlatform

/// The single writer of a stream.
///
/// Every message costs one look at the limit, the stores of header and payload, and one store of
/// `commit`. Everything else (ring end, position index, `reserve`, new readers, rotation) happens
/// once in a few dozen messages, behind a single compare.
///
/// ```swift
/// var writer = LogWriter(first: log, gate: gate)
/// if writer.append(head, stamp: clock.unixNs(), payload: bytes) { writer.publish() }
/// ```
///
/// Not for two threads: it cannot be copied, and whoever owns it is the publisher.
@safe
public struct LogWriter: ~Copyable, @unchecked Sendable {
  // @unchecked Sendable: one owner at a time; what it shares is in the gate.

  @usableFromInline var position: UInt64 = 0
  @usableFromInline var sequence: UInt64 = 0
  @usableFromInline var pen: UnsafeMutableRawPointer
  @usableFromInline var clearEnd: UInt64 = 0
  @usableFromInline let limit: OwnedWord64
  @usableFromInline var commitWord: OwnedWord64
  @usableFromInline var sequenceWord: OwnedWord64
  @usableFromInline var fencesEachPublish: Bool
  /// This process cannot make the barrier, or not surely.
  let fencesForSelf: Bool
  /// A full fence at each claim, which then always takes the slow way.
  let fencesEachClaim: Bool
  @usableFromInline var sourceWord0: UInt64
  @usableFromInline var sourceWord1: UInt64
  @usableFromInline var committed: UInt64 = 0
  @usableFromInline var batchMax: UInt64
  /// Where sent messages are counted; nil for a writer that nobody watches.
  @usableFromInline let row: CounterRow?
  @usableFromInline var payloadBytes: UInt64 = 0
  /// Readers that sleep, or may.
  @usableFromInline package var parked: ParkedReaders

  var log: NewLog
  var view: OwnLogView
  let gate: FlowControl
  var indexedEighth: UInt64 = 0
  var topics: [String: UInt32] = [:]
  var topicsBytes = 0
  var isClosed = false

  /// Starts a stream in its first log.
  ///
  /// `fences`: no process-wide barrier is available, so each publish pays a full fence before it
  /// looks for sleepers. `fencesClaims`: the process has no barrier on its own threads that is one
  /// on every CPU, so each claim pays for the readers that may join. `row`: where its messages are
  /// counted, kept by the caller's table.
  public init(
    first log: consuming NewLog, gate: FlowControl, fences: Bool = false,
    fencesClaims: Bool = false, row: CounterRow? = nil
  ) {
    let view = OwnLogView(log, basePosition: 0)
    parked = ParkedReaders(commitWord: view.commit)
    limit = gate.limit
    commitWord = view.commit
    sequenceWord = view.sequence
    sourceWord0 = log.identity.agent.word0
    sourceWord1 = log.identity.agent.word1
    unsafe pen = unsafe view.ring
    fencesEachPublish = fences
    fencesForSelf = fences
    fencesEachClaim = fencesClaims
    if fencesClaims { gate.noteFencedClaims() }
    batchMax = view.shape.capacity / 4
    self.row = row
    self.log = log
    self.gate = gate
    self.view = view
    view.writeIndex(position: 0, sequence: 0)
    gate.use(view, generation: 0)
  }

  // The gate must not look into memory that is unmapped next.
  deinit { gate.end() }

  /// Whether each publish pays a full fence, for this process or for a reader that sleeps.
  public var fences: Bool { fencesEachPublish }
  /// Where the next record will start, in bytes of the stream.
  public var nextPosition: UInt64 { position }
  /// Messages appended to the stream so far.
  public var appended: UInt64 { sequence }
  /// Size of the current log.
  public var shape: LogShape { view.shape }
  /// Number of rotations so far.
  public var generation: UInt32 { log.identity.generation }
  /// Everything below is visible to readers.
  public var committedPosition: UInt64 { committed }

  /// Makes room for a record of `bytes` (see ``recordBytes(extension:payload:)``); nil when the
  /// window or the record limit does not allow it now.
  @inlinable @inline(__always)
  mutating func claim(_ bytes: Int, payload: Int = 0) -> UnsafeMutableRawPointer? {
    let end = position &+ UInt64(bytes)
    if _fastPath(end <= clearEnd && end <= limit.loadRelaxed()) {  // SYNC: gate.limit
      return unsafe pen
    }
    return unsafe claimSlowly(UInt64(bytes), payload: payload)
  }

  /// Asks for the three lines that a short message dirties at once.
  ///
  /// The stores alone would fetch them one after the other. For single messages: in a batch the
  /// line of the commit is left alone until the end.
  @inlinable @inline(__always)
  public func prepare() {
    unsafe plat_own(UnsafeMutableRawPointer(mutating: commitWord.address))
    unsafe plat_own(pen)
    unsafe plat_own(pen + 64)
  }

  /// Moves past a record that was written.
  @inlinable @inline(__always)
  mutating func advance(_ bytes: Int) {
    position &+= UInt64(bytes)
    unsafe pen += bytes
    sequence &+= 1
  }

  /// Makes everything appended visible, and wakes readers that sleep.
  @inlinable @inline(__always)
  public mutating func publish() {
    sequenceWord.storeRelaxed(sequence)
    #if !BCS_NO_COUNTERS
      row?.show(messages: sequence, bytes: payloadBytes)
    #endif
    commitWord.storeRelease(position)  // SYNC: log.commit
    committed = position
    if _slowPath(parked.count != 0 || limit.loadRelaxed() == 0) { wakeParked() }
  }

  /// Where the words of a header that the publisher chooses come from.
  ///
  /// The writer adds magic, length, stamp and its own identity.
  @frozen
  public struct Head: Sendable, BitwiseCopyable {
    /// Word 0 of the header: magic, version and type.
    public var identity: UInt64
    /// Bits 32 to 47 of word 1: priority and hops.
    public var urgency: UInt64
    /// Words 5 and 6: an agent's UUID, or zero and a topic id.
    public var destination: BusUUID
    /// Word 7: flags and correlation id.
    public var tail: UInt64

    /// The chosen part of a header of this type to this destination.
    @inlinable
    public init(
      type: MessageType, destination: BusUUID, priority: Priority? = nil, flags: MessageFlags = [],
      correlationId: UInt32 = 0
    ) {
      let words = MessageHeader(
        type: type, priority: priority, source: .zero, destination: destination, flags: flags,
        correlationId: correlationId
      ).words
      identity = words.word0
      urgency = words.word1
      self.destination = destination
      tail = words.word7
    }
  }

  @inlinable @inline(__always)
  mutating func writeHead(
    _ head: Head, at to: UnsafeMutableRawPointer, payload: Int, extension extra: Int, stamp: UInt64
  ) {
    #if !BCS_NO_COUNTERS
      payloadBytes &+= UInt64(truncatingIfNeeded: payload)
    #endif
    let sizes = UInt64(UInt32(truncatingIfNeeded: payload)) | UInt64(extra) &<< 48
    unsafe to.storeBytes(of: head.identity, as: UInt64.self)
    unsafe to.storeBytes(of: head.urgency | sizes, toByteOffset: 8, as: UInt64.self)
    unsafe to.storeBytes(of: stamp, toByteOffset: 16, as: UInt64.self)
    unsafe to.storeBytes(of: sourceWord0, toByteOffset: 24, as: UInt64.self)
    unsafe to.storeBytes(of: sourceWord1, toByteOffset: 32, as: UInt64.self)
    unsafe to.storeBytes(of: head.destination.word0, toByteOffset: 40, as: UInt64.self)
    unsafe to.storeBytes(of: head.destination.word1, toByteOffset: 48, as: UInt64.self)
    unsafe to.storeBytes(of: head.tail, toByteOffset: 56, as: UInt64.self)
  }

  /// Appends a message without showing it yet; false when the window has no room for it.
  ///
  /// `stamp` is in nanoseconds since the Unix epoch.
  @inlinable @inline(__always)
  public mutating func append(_ head: Head, stamp: UInt64, payload: RawSpan) -> Bool {
    let bytes = recordBytes(extension: 0, payload: payload.byteCount)
    guard let to = unsafe claim(bytes, payload: payload.byteCount) else { return false }
    unsafe writeHead(head, at: to, payload: payload.byteCount, extension: 0, stamp: stamp)
    unsafe payload.withUnsafeBytes { from in
      unsafe copyPayload(to: to + 64, from: from)
    }
    advance(bytes)
    return true
  }

  /// Appends a message with a header extension (whole items, a multiple of 8 bytes).
  public mutating func append(
    _ head: Head, stamp: UInt64, extension items: RawSpan, payload: RawSpan
  ) -> Bool {
    let extra = items.byteCount
    guard extra % 8 == 0, extra <= WireLimit.extensionBytesMax else { return false }
    let bytes = recordBytes(extension: extra, payload: payload.byteCount)
    guard let to = unsafe claim(bytes, payload: payload.byteCount) else { return false }
    unsafe writeHead(head, at: to, payload: payload.byteCount, extension: extra, stamp: stamp)
    unsafe items.withUnsafeBytes { from in unsafe copyPayload(to: to + 64, from: from) }
    unsafe payload.withUnsafeBytes { from in
      unsafe copyPayload(to: to + 64 + extra, from: from)
    }
    advance(bytes)
    return true
  }

  /// Appends a message of exactly `count` payload bytes that `body` writes in place.
  ///
  /// What `body` leaves unwritten is zero-filled. When it throws, nothing was appended.
  @inlinable @inline(__always)
  public mutating func append<Failure: Error>(
    _ head: Head, stamp: UInt64, count: Int,
    _ body: (inout OutputRawSpan) throws(Failure) -> Void
  ) throws(Failure) -> Bool {
    // A negative count would wrap to a record of any size.
    guard count >= 0 else { return false }
    let bytes = recordBytes(extension: 0, payload: count)
    guard let to = unsafe claim(bytes, payload: count) else { return false }
    var out = unsafe OutputRawSpan(
      buffer: UnsafeMutableRawBufferPointer(start: to + 64, count: count), initializedCount: 0)
    try body(&out)
    if _slowPath(out.byteCount < count) {
      unsafe out.append(repeating: 0, count: count - out.byteCount, as: UInt8.self)
    }
    unsafe writeHead(head, at: to, payload: count, extension: 0, stamp: stamp)
    advance(bytes)
    return true
  }
}

/// Copies a payload; small whole words in line, the rest by the C library.
@inlinable @inline(__always)
func copyPayload(to: UnsafeMutableRawPointer, from: UnsafeRawBufferPointer) {
  guard let start = from.baseAddress, from.count > 0 else { return }
  unsafe to.copyMemory(from: start, byteCount: from.count)
}
