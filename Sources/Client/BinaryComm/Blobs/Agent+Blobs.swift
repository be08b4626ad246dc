import BusMemory
import BusSystem
public import BusWire
import CBusPlatform
import Synchronization

extension Agent {
  /// Makes a blob of these bytes.
  ///
  /// - Parameters:
  ///   - bytes: at least one, at most what the agent's quota and the arena allow.
  ///   - keep: for how long it can be opened when this object is gone, up to an hour.
  /// - Returns: the blob, which can be opened from now on.
  /// - Throws: ``BusError/resourceExhausted(_:cause:)`` when quota or arena have no room,
  ///   ``BusError/invalid(_:)`` for no bytes or too long a time.
  public func makeBlob(
    _ bytes: RawSpan, keep: Duration = .seconds(60)
  ) throws(BusError) -> Blob {
    try makeBlob(byteCount: bytes.byteCount, keep: keep) { out in
      unsafe bytes.withUnsafeBytes { from in
        unsafe out.withUnsafeMutableBytes { to, initialized in
          unsafe to.copyMemory(from: from)
          initialized = from.count
        }
      }
    }
  }

  /// Makes a blob of these bytes.
  public func makeBlob(
    _ bytes: [UInt8], keep: Duration = .seconds(60)
  ) throws(BusError) -> Blob {
    try makeBlob(bytes.span.rawBytes, keep: keep)
  }

  /// Makes a blob of `byteCount` bytes that `body` writes in place; what it leaves out is zero.
  public func makeBlob(
    byteCount: Int, keep: Duration = .seconds(60), _ body: (inout OutputRawSpan) -> Void
  ) throws(BusError) -> Blob {
    guard byteCount > 0 else { throw .invalid("a blob has at least 1 byte, not \(byteCount)") }
    guard keep >= .zero, keep <= .seconds(3600) else {
      throw .invalid("a blob is kept for 0 to 3600 s, not \(keep)")
    }
    let arena = core.state.withLock { $0.limits.arenaBytes }
    guard UInt64(byteCount) < arena else {
      // Before the memory is taken, which the host may not have.
      throw .resourceExhausted(
        "a blob of \(byteCount) bytes is larger than the arena of \(arena): raise --arena")
    }
    let token = try BusUUID.unguessable()
    let made: (blob: SealedBlob, descriptor: Int32)
    do throws(MemoryError) {
      made = try SealedBlob.make(token: (token.word0, token.word1), byteCount: byteCount, body)
    } catch {
      throw .noMemory("no memory for a blob of \(byteCount) bytes", error)
    }
    let held = HeldBlob(
      descriptor: FileDescriptor(made.descriptor), segmentBytes: made.blob.segmentBytes,
      payloadBytes: UInt64(byteCount), endNs: Deadline(after: keep).ns)
    try core.hold(held, token)
    let reference = BlobReference(
      token: token, maker: Incarnation(incarnation), byteCount: UInt64(byteCount))
    return Blob(reference, made.blob, maker: core)
  }

  /// Opens the blob that a message refers to; it stays for as long as the object is held.
  ///
  /// - Throws: ``BusError/notFound(_:cause:)`` when it was dropped, or its maker left and the time
  ///   it was kept for is over; ``BusError/noRouter(_:)`` when no router answers in time.
  public func openBlob(
    _ reference: BlobReference, timeout: Duration = .seconds(5)
  ) throws(BusError) -> Blob {
    let end = Deadline(after: timeout)
    let token = reference.token
    let (frame, descriptor) = try core.open(reference, deadline: end)
    guard frame.token == token, frame.payloadBytes == reference.byteCount else {
      throw .corrupt("the reference says \(reference.byteCount) bytes, the blob has other ones")
    }
    do throws(MemoryError) {
      let memory = try SealedBlob(
        consuming: descriptor.duplicate(), segmentBytes: frame.segmentBytes,
        byteCount: frame.payloadBytes, token: (token.word0, token.word1))
      return Blob(reference, memory, maker: nil)
    } catch {
      throw .corrupt("what the router gave is not the blob: \(error.message)")
    }
  }
}

extension Blob {
  /// The payload, in place.
  public var bytes: RawSpan {
    @_lifetime(borrow self)
    get {
      let span = unsafe RawSpan(_unsafeStart: memory.start, byteCount: memory.byteCount)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  /// A copy of the payload.
  public func copy() -> [UInt8] { unsafe bytes.withUnsafeBytes { unsafe Array($0) } }
}

extension BusUUID {
  /// 128 bits that nobody can guess.
  fileprivate static func unguessable() throws(BusError) -> BusUUID {
    var words: (UInt64, UInt64) = (0, 0)
    let failed = unsafe withUnsafeMutableBytes(of: &words) { bytes in
      unsafe plat_random(bytes.baseAddress, bytes.count)
    }
    guard failed == 0 else { throw .system("no random bytes: \(Errno.text(-failed))") }
    return BusUUID(word0: words.0, word1: words.1)
  }
}
