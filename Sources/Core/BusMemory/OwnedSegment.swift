import CBusPlatform
import Glibc

/// A segment of shared memory that this process writes: a sealed memfd, mapped writable once.
///
/// Made in the order that leaves no hole: create, allocate every page (else a store could raise
/// SIGBUS later), map, fill, seal. From the sealing on nobody, not even through /proc, can map it
/// writable, resize it or punch holes into it. A forked child does not inherit the mapping.
@safe
public struct OwnedSegment: ~Copyable, @unchecked Sendable {
  // @unchecked Sendable: the mapping belongs to this one value, which cannot be copied.

  /// Start of the mapping, page-aligned.
  public let base: UnsafeMutableRawPointer
  /// Size in bytes.
  public let bytes: Int
  /// The memory file's descriptor, owned by this value; -1 once it was released.
  public private(set) var descriptor: Int32

  /// Creates and maps a segment of `bytes`, a multiple of the page size, zero-filled, not sealed.
  public init(name: String, bytes: Int) throws(MemoryError) {
    guard bytes > 0, bytes % 4096 == 0 else {
      throw .layout(field: "size", value: UInt64(clamping: bytes))
    }
    let descriptor = try check("memfd_create", unsafe plat_memfd(name))
    let allocated = plat_allocate(descriptor, UInt64(bytes))
    if allocated < 0 {
      close(descriptor)
      throw .system(call: "posix_fallocate of \(bytes) bytes", errno: -allocated)
    }
    let flags = PROT_READ | PROT_WRITE
    let mapped = unsafe mmap(nil, bytes, flags, MAP_SHARED | MAP_POPULATE, descriptor, 0)
    guard let mapped = unsafe mapped, unsafe mapped != MAP_FAILED else {
      let reason = errno
      close(descriptor)
      throw .system(call: "mmap", errno: reason)
    }
    _ = unsafe plat_private_mapping(mapped, bytes)
    #if BCS_ONE_MAPPING
      unsafe OneMapping.made(descriptor, at: mapped)
    #endif
    unsafe self.base = mapped
    self.bytes = bytes
    self.descriptor = descriptor
  }

  /// Forbids growing, shrinking and any further writable mapping, for ever.
  public borrowing func seal() throws(MemoryError) {
    try check("F_ADD_SEALS", plat_seal(descriptor))
  }

  /// A second descriptor of the memory file, owned by the caller.
  public borrowing func duplicateDescriptor() -> Int32 { fcntl(descriptor, F_DUPFD_CLOEXEC, 0) }

  /// Hands the descriptor over to the caller, who closes it; the mapping stays.
  public mutating func releaseDescriptor() -> Int32 {
    defer { descriptor = -1 }
    return descriptor
  }

  deinit {
    #if BCS_ONE_MAPPING
      if unsafe OneMapping.letGo(base) { unsafe munmap(base, bytes) }
    #else
      unsafe munmap(base, bytes)
    #endif
    if descriptor >= 0 { close(descriptor) }
  }
}
