public import Synchronization

// Words in shared memory. `Owned…` words are written by this process, `Watched…` words by another
// one: the type says which side of the one-writer rule we are on. `Synchronization.Atomic` lies
// straight in the mapping (SE-0410: same layout as its representation).
//
// Why `@safe` holds: whoever makes such a word promises that its mapping outlives it; the makers
// are the segment owners in this module and in BusLog, which keep the mapping alive.

/// A 64-bit word of shared memory that only this process writes.
@frozen @safe
public struct OwnedWord64: @unchecked Sendable, BitwiseCopyable {
  @usableFromInline let word: UnsafePointer<Atomic<UInt64>>

  /// The word at `address`, which is 8-byte aligned and mapped writable for as long as it is used.
  @inlinable
  public init(at address: UnsafeMutableRawPointer) {
    unsafe word = unsafe UnsafePointer(address.assumingMemoryBound(to: Atomic<UInt64>.self))
  }

  /// The value, without ordering.
  @inlinable
  public func loadRelaxed() -> UInt64 { unsafe word.pointee.load(ordering: .relaxed) }

  /// Stores without ordering.
  @inlinable
  public func storeRelaxed(_ value: UInt64) {
    unsafe word.pointee.store(value, ordering: .relaxed)
  }

  /// Stores, after every earlier access of this thread.
  @inlinable
  public func storeRelease(_ value: UInt64) {
    #if BCS_SEEDED_RACE
      // The defect that `make prove` has to find: nothing is ordered before this store.
      unsafe word.pointee.store(value, ordering: .relaxed)
    #else
      unsafe word.pointee.store(value, ordering: .releasing)
    #endif
  }

  /// The value, before every later access of this thread.
  @inlinable
  public func loadAcquire() -> UInt64 { unsafe word.pointee.load(ordering: .acquiring) }

  /// Adds, wrapping, as one step against the other threads of this process.
  @inlinable @discardableResult
  public func add(_ value: UInt64) -> UInt64 {
    unsafe word.pointee.wrappingAdd(value, ordering: .sequentiallyConsistent).newValue
  }

  /// The address, for the kernel's futex calls.
  @inlinable
  public var address: UnsafeRawPointer { unsafe UnsafeRawPointer(word) }
}

/// A 64-bit word of shared memory that another process writes: hostile until checked.
@frozen @safe
public struct WatchedWord64: @unchecked Sendable, BitwiseCopyable {
  @usableFromInline let word: UnsafePointer<Atomic<UInt64>>

  /// The word at `address`, which is 8-byte aligned and mapped for as long as it is used.
  @inlinable
  public init(at address: UnsafeRawPointer) {
    unsafe word = unsafe address.assumingMemoryBound(to: Atomic<UInt64>.self)
  }

  /// The value, without ordering.
  @inlinable
  public func loadRelaxed() -> UInt64 { unsafe word.pointee.load(ordering: .relaxed) }

  /// The value, before every later access of this thread.
  @inlinable
  public func loadAcquire() -> UInt64 { unsafe word.pointee.load(ordering: .acquiring) }

  /// The value, after every earlier load of this thread: the closing look of a seqlock.
  @inlinable
  public func loadAcquireAfterLoads() -> UInt64 {
    atomicMemoryFence(ordering: .acquiring)
    return unsafe word.pointee.load(ordering: .relaxed)
  }

  /// The address, for the kernel's futex calls.
  @inlinable
  public var address: UnsafeRawPointer { unsafe UnsafeRawPointer(word) }
}

/// A 32-bit word of shared memory that only this process writes.
@frozen @safe
public struct OwnedWord32: @unchecked Sendable, BitwiseCopyable {
  @usableFromInline let word: UnsafePointer<Atomic<UInt32>>

  /// The word at `address`, which is 4-byte aligned and mapped writable for as long as it is used.
  @inlinable
  public init(at address: UnsafeMutableRawPointer) {
    unsafe word = unsafe UnsafePointer(address.assumingMemoryBound(to: Atomic<UInt32>.self))
  }

  /// The value, without ordering.
  @inlinable
  public func loadRelaxed() -> UInt32 { unsafe word.pointee.load(ordering: .relaxed) }

  /// Stores without ordering.
  @inlinable
  public func storeRelaxed(_ value: UInt32) {
    unsafe word.pointee.store(value, ordering: .relaxed)
  }

  /// Stores, after every earlier access of this thread.
  @inlinable
  public func storeRelease(_ value: UInt32) {
    unsafe word.pointee.store(value, ordering: .releasing)
  }

  /// The value, before every later access of this thread.
  @inlinable
  public func loadAcquire() -> UInt32 { unsafe word.pointee.load(ordering: .acquiring) }

  /// Adds, wrapping, as one step against the other threads of this process.
  @inlinable @discardableResult
  public func add(_ value: UInt32) -> UInt32 {
    unsafe word.pointee.wrappingAdd(value, ordering: .sequentiallyConsistent).newValue
  }

  /// Sets bits, as one step against the other threads of this process.
  @inlinable @discardableResult
  public func set(_ bits: UInt32) -> UInt32 {
    unsafe word.pointee.bitwiseOr(bits, ordering: .sequentiallyConsistent).newValue
  }

  /// Clears bits, as one step against the other threads of this process.
  @inlinable @discardableResult
  public func clear(_ bits: UInt32) -> UInt32 {
    unsafe word.pointee.bitwiseAnd(~bits, ordering: .sequentiallyConsistent).newValue
  }

  /// The address, for the kernel's futex calls.
  @inlinable
  public var address: UnsafeRawPointer { unsafe UnsafeRawPointer(word) }
}

/// A 32-bit word of shared memory that another process writes: hostile until checked.
@frozen @safe
public struct WatchedWord32: @unchecked Sendable, BitwiseCopyable {
  @usableFromInline let word: UnsafePointer<Atomic<UInt32>>

  /// The word at `address`, which is 4-byte aligned and mapped for as long as it is used.
  @inlinable
  public init(at address: UnsafeRawPointer) {
    unsafe word = unsafe address.assumingMemoryBound(to: Atomic<UInt32>.self)
  }

  /// The value, without ordering.
  @inlinable
  public func loadRelaxed() -> UInt32 { unsafe word.pointee.load(ordering: .relaxed) }

  /// The value, before every later access of this thread.
  @inlinable
  public func loadAcquire() -> UInt32 { unsafe word.pointee.load(ordering: .acquiring) }

  /// The address, for the kernel's futex calls.
  @inlinable
  public var address: UnsafeRawPointer { unsafe UnsafeRawPointer(word) }
}
