import CBusPlatform
import Glibc

/// A segment that another process made, mapped read-only after its seals and size were checked:
/// the type of all bytes that a peer may change while they are looked at.
///
/// Only the seals and the size cannot change. So nothing is decided on the bytes in place: they are
/// copied out once (``copy(at:count:)``), checked in the copy and used from there, or loaded as one
/// atomic word (``word64(at:)``). A class, because several readers and the service thread may share
/// one mapping; it is never touched per message.
@safe
public final class PeerSegment: @unchecked Sendable {
  // @unchecked Sendable: immutable after init; the memory is read through checked words.

  /// Start of the mapping, page-aligned.
  ///
  /// For the loops that load words or lend records once per message, which keep addresses of their
  /// own; a test of the tree says which files these are.
  public let lentBase: UnsafeRawPointer
  /// Bytes that are mapped here.
  public let bytes: Int
  /// Size of the memory file in bytes, as announced and checked.
  public let fileBytes: UInt64

  /// Takes a descriptor (closed in every case) and maps it, all of it or the first `mapping` bytes.
  ///
  /// Throws when it is not a memory file, not sealed against its owner's resizing, or not of the
  /// size announced.
  public convenience init(
    consuming descriptor: Int32, announced: UInt64, mapping: Int? = nil, populate: Bool = true
  ) throws(MemoryError) {
    defer { close(descriptor) }
    try self.init(of: descriptor, announced: announced, mapping: mapping, populate: populate)
  }

  /// The same for a descriptor that stays the caller's: the mapping needs none.
  public init(
    of descriptor: Int32, announced: UInt64, mapping: Int? = nil, populate: Bool = true
  ) throws(MemoryError) {
    try Self.inspect(descriptor, announced: announced)
    guard let whole = Int(exactly: announced), whole >= 4096 else {
      throw .wrongSize(announced: announced, found: announced)
    }
    fileBytes = announced
    bytes = min(mapping ?? whole, whole)
    guard bytes > 0 else { throw .layout(field: "mapping", value: 0) }
    #if BCS_ONE_MAPPING
      if let shared = unsafe OneMapping.take(descriptor) {
        unsafe lentBase = UnsafeRawPointer(shared)
        return
      }
    #endif
    let flags = MAP_SHARED | (populate ? MAP_POPULATE : 0)
    let mapped = unsafe mmap(nil, bytes, PROT_READ, flags, descriptor, 0)
    guard let mapped = unsafe mapped, unsafe mapped != MAP_FAILED else {
      throw .system(call: "mmap", errno: errno)
    }
    _ = unsafe plat_private_mapping(mapped, bytes)
    unsafe lentBase = UnsafeRawPointer(mapped)
  }

  /// Checks that a descriptor is a sealed, fully allocated memory file of `announced` bytes.
  public static func inspect(_ descriptor: Int32, announced: UInt64) throws(MemoryError) {
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else {
      throw .system(call: "fstat", errno: errno)
    }
    guard status.st_mode & S_IFMT == S_IFREG else { throw .notMemory }
    let seals = plat_seals(descriptor)
    guard seals >= 0 else { throw .notMemory }
    guard seals & PLAT_SEALS_REQUIRED == PLAT_SEALS_REQUIRED else { throw .unsealed(seals: seals) }
    let size = UInt64(max(0, status.st_size))
    guard size == announced else { throw .wrongSize(announced: announced, found: size) }
    let allocated = UInt64(max(0, status.st_blocks)) * 512
    guard isWhole(descriptor, bytes: size, allocated: allocated) else {
      throw .holes(bytes: size, allocated: allocated)
    }
  }

  /// Whether every page of a memory file is there, and no memory behind its end.
  ///
  /// A hole would be filled and paid for by whoever reads it first, and raise SIGBUS in that
  /// process when memory is short. The number of allocated bytes alone does not say so: they may
  /// lie behind the end. Up to a huge page more than the file's size is the kernel's own doing.
  public static func isWhole(_ descriptor: Int32, bytes: UInt64, allocated: UInt64) -> Bool {
    guard allocated >= bytes, allocated - bytes < hugePageBytes else { return false }
    let hole = plat_first_hole(descriptor)
    return hole >= 0 && UInt64(hole) == bytes
  }

  private static let hugePageBytes: UInt64 = 2 << 20

  /// A copy of some bytes, each of them read once.
  ///
  /// Throws when they do not lie in the mapping.
  public func copy(at offset: Int, count: Int) throws(MemoryError) -> [UInt8] {
    guard offset >= 0, count >= 0, offset <= bytes, count <= bytes - offset else {
      throw .layout(field: "range", value: UInt64(clamping: offset))
    }
    // Whole words around them: the mapping consists of whole pages.
    let first = offset & ~7
    let words = (offset + count - first + 7) / 8
    var copy = [UInt64](repeating: 0, count: words)
    unsafe copy.withUnsafeMutableBytes { to in
      unsafe plat_copy_racing(to.baseAddress, lentBase + first, words)
    }
    let skipped = offset - first
    return unsafe copy.withUnsafeBytes { unsafe Array($0[skipped..<skipped + count]) }
  }

  /// A word of 64 bits that the peer may change; throws when there is none at this offset.
  public func word64(at offset: Int) throws(MemoryError) -> WatchedWord64 {
    try checkWord(at: offset, bytes: 8)
    return unsafe WatchedWord64(at: lentBase + offset)
  }

  /// A word of 32 bits that the peer may change; throws when there is none at this offset.
  public func word32(at offset: Int) throws(MemoryError) -> WatchedWord32 {
    try checkWord(at: offset, bytes: 4)
    return unsafe WatchedWord32(at: lentBase + offset)
  }

  private func checkWord(at offset: Int, bytes size: Int) throws(MemoryError) {
    guard offset >= 0, offset % size == 0, offset <= bytes - size else {
      throw .layout(field: "offset of a word", value: UInt64(clamping: offset))
    }
  }

  deinit {
    #if BCS_ONE_MAPPING
      guard unsafe OneMapping.letGo(lentBase) else { return }
    #endif
    unsafe munmap(UnsafeMutableRawPointer(mutating: lentBase), bytes)
  }
}
