import BusMemory
public import BusWire

/// A payload in memory of its own: larger than a message may be, or to be kept after it.
///
/// Its bytes are final: nobody can change them, its maker neither. A message that carries its
/// ``reference`` gives it to whoever reads that message, on topics and in conversations alike:
///
/// ```swift
/// let blob = try agent.makeBlob(image)                    // one agent
/// try publisher.publish("images.new", blob.reference.encoded)
///
/// if let reference = message.blobReference {              // another one
///   let blob = try agent.openBlob(reference)
///   show(blob.bytes)
/// }
/// ```
///
/// It can be opened for as long as its maker holds the object, and in any case for the time it is
/// kept for, also when its maker has left; unless ``drop()`` is called. Who has opened it may use
/// it for as long as the object is held, whatever became of its maker and of the router.
public final class Blob: Sendable {
  /// What a message carries to give the blob to its readers.
  public let reference: BlobReference
  let memory: SealedBlob
  /// Nil in a blob that was opened.
  private let maker: AgentShared?

  init(_ reference: BlobReference, _ memory: SealedBlob, maker: AgentShared?) {
    self.reference = reference
    self.memory = memory
    self.maker = maker
  }

  deinit { maker?.release(reference.token, now: false) }

  /// Bytes of the payload.
  public var byteCount: Int { memory.byteCount }

  /// Whether others can still open it, as far as its maker knows.
  ///
  /// False once it was dropped, when a router that came back had no room for it, and always in a
  /// blob that was opened.
  public var isOffered: Bool { maker?.holds(reference.token) ?? false }

  /// Ends the blob at once: nobody can open it any more, who has opened it may go on.
  ///
  /// Only its maker can; in a blob that was opened this does nothing.
  public func drop() { maker?.release(reference.token, now: true) }
}
