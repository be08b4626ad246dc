import CBusABI
import CBusPlatform
import Glibc

/// A payload in a memory file of its own, which nobody can change any more: mapped read-only.
///
/// The bytes are final, unlike those of a log: who reads them twice reads the same.
@safe
public final class SealedBlob: @unchecked Sendable {
  // @unchecked Sendable: immutable, and so is the memory.

  /// Bytes of the payload.
  public let byteCount: Int
  /// Size of the memory file in bytes.
  public var segmentBytes: UInt64 { segment.fileBytes }
  private let segment: PeerSegment

  /// The first of the payload's bytes; they are there for as long as this object.
  public var start: UnsafeRawPointer { unsafe segment.lentBase + Int(BUS_BLOB_PAYLOAD_OFFSET) }

  /// Size of the memory file for a payload of so many bytes; nil when there is no such size.
  public static func segmentBytes(for byteCount: Int) -> Int? {
    guard byteCount > 0, byteCount <= Int.max - 2 * 4096 else { return nil }
    return Int(BUS_BLOB_PAYLOAD_OFFSET) + (byteCount + 4095) & ~4095
  }

  /// Makes a blob whose bytes `body` writes in place; what it leaves unwritten is zero.
  ///
  /// Returns it with its descriptor, which the caller closes.
  public static func make(
    token: (UInt64, UInt64), byteCount: Int, _ body: (inout OutputRawSpan) -> Void
  ) throws(MemoryError) -> (blob: SealedBlob, descriptor: Int32) {
    guard let size = segmentBytes(for: byteCount) else {
      throw .layout(field: "blob size", value: UInt64(clamping: byteCount))
    }
    let descriptor = try write(token, byteCount, size, body)
    // Only now nothing maps it writable, which the seal demands.
    let sealed = plat_seal_whole(descriptor)
    guard sealed >= 0 else {
      close(descriptor)
      throw .system(call: "F_ADD_SEALS", errno: -sealed)
    }
    let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
    do throws(MemoryError) {
      guard copy >= 0 else { throw .system(call: "F_DUPFD_CLOEXEC", errno: errno) }
      let blob = try SealedBlob(
        consuming: copy, segmentBytes: UInt64(size), byteCount: UInt64(byteCount), token: token)
      return (blob, descriptor)
    } catch {
      close(descriptor)
      throw error
    }
  }

  private static func write(
    _ token: (UInt64, UInt64), _ byteCount: Int, _ size: Int, _ body: (inout OutputRawSpan) -> Void
  ) throws(MemoryError) -> Int32 {
    var segment = try OwnedSegment(name: "bcs-blob", bytes: size)
    var raw = bus_blob_identity_t()
    raw.magic = BUS_BLOB_MAGIC
    raw.layout_version = UInt16(BUS_LAYOUT_VERSION)
    raw.segment_bytes = UInt64(size)
    raw.payload_bytes = UInt64(byteCount)
    unsafe withUnsafeMutableBytes(of: &raw.token) { bytes in
      unsafe bytes.storeBytes(of: token.0, as: UInt64.self)
      unsafe bytes.storeBytes(of: token.1, toByteOffset: 8, as: UInt64.self)
    }
    unsafe segment.base.storeBytes(of: raw, as: bus_blob_identity_t.self)
    let room = unsafe UnsafeMutableRawBufferPointer(
      start: segment.base + Int(BUS_BLOB_PAYLOAD_OFFSET), count: byteCount)
    var out = unsafe OutputRawSpan(buffer: room, initializedCount: 0)
    body(&out)
    return segment.releaseDescriptor()
  }

  /// Takes a descriptor (closed in every case) and maps it.
  ///
  /// Throws unless it is a blob that nobody can write to, of this token and these sizes.
  public init(
    consuming descriptor: Int32, segmentBytes: UInt64, byteCount: UInt64, token: (UInt64, UInt64)
  ) throws(MemoryError) {
    let seals = plat_seals(descriptor)
    guard seals < 0 || seals & PLAT_SEALS_WHOLE == PLAT_SEALS_WHOLE else {
      close(descriptor)
      throw .unsealed(seals: seals)
    }
    segment = try PeerSegment(consuming: descriptor, announced: segmentBytes)
    let copy = try segment.copy(at: 0, count: MemoryLayout<bus_blob_identity_t>.size)
    let raw = unsafe copy.withUnsafeBytes {
      unsafe $0.loadUnaligned(as: bus_blob_identity_t.self)
    }
    let found = unsafe withUnsafeBytes(of: raw.token) { bytes in
      unsafe (
        bytes.load(as: UInt64.self), bytes.load(fromByteOffset: 8, as: UInt64.self)
      )
    }
    guard raw.magic == BUS_BLOB_MAGIC, raw.layout_version == UInt16(BUS_LAYOUT_VERSION) else {
      throw .layout(field: "magic", value: UInt64(raw.magic))
    }
    guard found == token else { throw .layout(field: "token", value: found.0) }
    let room = segmentBytes - min(segmentBytes, UInt64(BUS_BLOB_PAYLOAD_OFFSET))
    guard raw.payload_bytes == byteCount, byteCount > 0, byteCount <= room else {
      throw .layout(field: "payload size", value: raw.payload_bytes)
    }
    self.byteCount = Int(byteCount)
  }
}
