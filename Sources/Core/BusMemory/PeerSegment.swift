import CBusPlatform
import Glibc

/// A segment that another process made, mapped read-only after its seals and size were checked.
///
/// Bytes in it may change at any time; only the seals and the size cannot. A class, because
/// several readers and the service thread may share one mapping; it is never touched per message.
@safe
public final class PeerSegment: @unchecked Sendable {
  // @unchecked Sendable: immutable after init; the memory is read through checked words.

  /// Start of the mapping, page-aligned.
  public let base: UnsafeRawPointer
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
        unsafe base = UnsafeRawPointer(shared)
        return
      }
    #endif
    let flags = MAP_SHARED | (populate ? MAP_POPULATE : 0)
    let mapped = unsafe mmap(nil, bytes, PROT_READ, flags, descriptor, 0)
    guard let mapped = unsafe mapped, unsafe mapped != MAP_FAILED else {
      throw .system(call: "mmap", errno: errno)
    }
    _ = unsafe plat_private_mapping(mapped, bytes)
    unsafe base = UnsafeRawPointer(mapped)
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
    // A hole would raise SIGBUS in whoever reads it when memory is short.
    let allocated = UInt64(max(0, status.st_blocks)) * 512
    guard allocated >= size else { throw .wrongSize(announced: announced, found: allocated) }
  }

  deinit {
    #if BCS_ONE_MAPPING
      guard unsafe OneMapping.letGo(base) else { return }
    #endif
    unsafe munmap(UnsafeMutableRawPointer(mutating: base), bytes)
  }
}
