/// A word of this process's heap on cache lines of its own, shared by two of its threads.
@safe
public final class LocalWord: @unchecked Sendable {
  // @unchecked Sendable: the word is atomic.
  private let storage: UnsafeMutableRawPointer
  /// The word; valid for as long as this object.
  public let word: OwnedWord64

  /// A word with value 0.
  public init() {
    unsafe storage = UnsafeMutableRawPointer.allocate(byteCount: 128, alignment: 128)
    unsafe storage.initializeMemory(as: UInt8.self, repeating: 0, count: 128)
    word = unsafe OwnedWord64(at: storage)
  }

  deinit { unsafe storage.deallocate() }
}
