import CBusPlatform
import Glibc
import Synchronization

/// What a set-up of the kit met instead of what it needed: always a failure of the row.
struct SetUpFailure: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// A memory file as a hostile peer makes it: right or wrong in each property, its bytes writable to
/// the peer for ever, in words of every width at every offset.
@safe
final class RawMemory: @unchecked Sendable {
  // @unchecked Sendable: threads race on the bytes on purpose; 8-byte words are stored as one step.

  /// Which of the file's pages exist.
  enum Pages: Sendable {
    case all
    /// None: the file is one hole.
    case none
    /// As many as the file needs, all of them behind its end: only the sum looks right.
    case beyondTheEnd
  }

  /// What is sealed before anybody else sees the file.
  enum Seals: Sendable {
    case none
    case required
    /// Writing, too: the file cannot change any more, the peer's own mapping is gone.
    case whole
    /// Shrinking is not forbidden.
    case mayShrink
  }

  let descriptor: Int32
  let bytes: Int
  private var base: UnsafeMutableRawPointer?

  init(bytes: Int, pages: Pages = .all) throws {
    descriptor = unsafe plat_memfd("hostile")
    self.bytes = bytes
    guard descriptor >= 0 else { throw SetUpFailure("memfd: \(-descriptor)") }
    switch pages {
    case .all: try Self.check("allocate", plat_allocate(descriptor, UInt64(bytes)))
    case .none: try Self.check("ftruncate", ftruncate(descriptor, off_t(bytes)))
    case .beyondTheEnd:
      try Self.check("ftruncate", ftruncate(descriptor, off_t(bytes)))
      try Self.allocateBeyondTheEnd(descriptor, bytes)
    }
    guard bytes > 0 else { return }
    let mapped = unsafe mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
    guard let mapped = unsafe mapped, unsafe mapped != MAP_FAILED else {
      throw SetUpFailure("mmap: \(errno)")
    }
    unsafe base = mapped
  }

  deinit {
    unmap()
    close(descriptor)
  }

  private static func allocateBeyondTheEnd(_ descriptor: Int32, _ bytes: Int) throws {
    // Missing from the Glibc module, with its flag FALLOC_FL_KEEP_SIZE.
    typealias Allocate = @convention(c) (Int32, Int32, off_t, off_t) -> Int32
    guard let symbol = unsafe dlsym(nil, "fallocate") else { throw SetUpFailure("no fallocate") }
    let allocate = unsafe unsafeBitCast(symbol, to: Allocate.self)
    try check("fallocate", allocate(descriptor, 1, off_t(bytes), off_t(bytes)))
  }

  private static func check(_ what: String, _ result: Int32) throws {
    guard result >= 0 else { throw SetUpFailure("\(what): \(result), error \(errno)") }
  }

  private func unmap() {
    if let mapped = unsafe base { unsafe munmap(mapped, bytes) }
    unsafe base = nil
  }

  func seal(_ seals: Seals = .required) throws {
    switch seals {
    case .none: return
    case .required: try Self.check("seal", plat_seal(descriptor))
    case .whole:
      unmap()
      try Self.check("seal", plat_seal_whole(descriptor))
    case .mayShrink:
      // F_ADD_SEALS with F_SEAL_SEAL, F_SEAL_GROW and F_SEAL_FUTURE_WRITE.
      try Self.check("seal", fcntl(descriptor, 1033, 0x1 | 0x4 | 0x10))
    }
  }

  /// Makes the file smaller, which only works without the seal against it.
  func shrink(to bytes: Int) throws {
    try Self.check("ftruncate", ftruncate(descriptor, off_t(bytes)))
  }

  /// Stores a little-endian number of 1, 2, 4 or 8 bytes; an aligned one of 8 as one step.
  func put(_ value: UInt64, at offset: Int, width: Int = 8) {
    guard let base = unsafe base, offset >= 0, offset + width <= bytes else { return }
    if width == 8, offset % 8 == 0 {
      let word = unsafe (base + offset).assumingMemoryBound(to: Atomic<UInt64>.self)
      unsafe word.pointee.store(value, ordering: .releasing)
      return
    }
    for place in 0..<width {
      unsafe base.storeBytes(
        of: UInt8(truncatingIfNeeded: value >> UInt64(8 * place)), toByteOffset: offset + place,
        as: UInt8.self)
    }
  }

  /// Stores bytes one after the other.
  func put(_ text: [UInt8], at offset: Int) {
    for (place, byte) in text.enumerated() { put(UInt64(byte), at: offset + place, width: 1) }
  }

  /// The little-endian number of 1, 2, 4 or 8 bytes at an offset; 0 outside.
  func get(_ offset: Int, width: Int = 8) -> UInt64 {
    guard let base = unsafe base, offset >= 0, offset + width <= bytes else { return 0 }
    return (0..<width).reduce(0) { value, place in
      let byte = unsafe base.load(fromByteOffset: offset + place, as: UInt8.self)
      return value | UInt64(byte) << UInt64(8 * place)
    }
  }

  /// Zeroes all bytes from an offset on.
  func wipe(from offset: Int) {
    for at in stride(from: offset, to: bytes & ~7, by: 8) { put(0, at: at) }
  }

  /// A second descriptor of the file, which the caller owns.
  func duplicate() throws -> Int32 {
    let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
    guard copy >= 0 else { throw SetUpFailure("dup: \(errno)") }
    return copy
  }
}

/// A thread that goes on writing until it is stopped.
final class Mover: Sendable {
  private let isOver = Atomic(false)
  private let hasEnded = Atomic(false)

  /// Calls `step` with 0, 1, 2, … as fast as it can.
  init(_ step: @escaping @Sendable (UInt64) -> Void) throws {
    let box = unsafe Unmanaged.passRetained(Run(self, step))
    var thread = pthread_t()
    let started = unsafe pthread_create(
      &thread, nil,
      { raw in
        guard let raw = unsafe raw else { return nil }
        let run = unsafe Unmanaged<Run>.fromOpaque(raw).takeRetainedValue()
        var number: UInt64 = 0
        while !run.mover.isOver.load(ordering: .relaxed) {
          run.step(number)
          number &+= 1
          // On few cores the victim must get its turn in the middle of this.
          if number % 4096 == 0 { sched_yield() }
        }
        run.mover.hasEnded.store(true, ordering: .releasing)
        return nil
      }, unsafe box.toOpaque())
    guard started == 0 else { throw SetUpFailure("no thread: \(started)") }
    _ = pthread_detach(thread)
  }

  private final class Run {
    let mover: Mover
    let step: @Sendable (UInt64) -> Void
    init(_ mover: Mover, _ step: @escaping @Sendable (UInt64) -> Void) {
      self.mover = mover
      self.step = step
    }
  }

  /// Returns when the thread writes no more.
  func stop() {
    isOver.store(true, ordering: .relaxed)
    while !hasEnded.load(ordering: .acquiring) { usleep(100) }
  }
}
