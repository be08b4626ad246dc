import BusMemory
import BusWire
import Glibc

/// A sealed segment that the target writes as a hostile peer would, and the code under test maps
/// read-only, in memory that ends at an unmapped page: a read beyond the end is a fault.
@safe
final class HostileSegment {
  let segment: OwnedSegment
  let peer: PeerSegment
  private let template: UnsafeMutableRawPointer
  private var dirty = 0

  /// A segment whose contents at the start of each execution `fill` writes.
  init(bytes: Int, fill: (UnsafeMutableRawPointer) throws -> Void) throws {
    let segment = try OwnedSegment(name: "fuzz", bytes: bytes)
    unsafe try fill(segment.base)
    try segment.seal()
    unsafe template = .allocate(byteCount: bytes, alignment: 64)
    unsafe template.copyMemory(from: segment.base, byteCount: bytes)
    var found: PeerSegment?
    // The kernel places a mapping below the one before it where there is room. In a process with
    // much mapped the fences first fill the small gaps, one by one.
    for _ in 0..<4096 where found == nil {
      let fence = unsafe mmap(nil, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
      let peer = try PeerSegment(
        consuming: segment.duplicateDescriptor(), announced: UInt64(bytes))
      if unsafe fence == UnsafeMutableRawPointer(mutating: peer.lentBase + bytes) { found = peer }
    }
    guard let found else { throw Broken("no room for a segment before a fence") }
    peer = found
    self.segment = segment
  }

  deinit { unsafe template.deallocate() }

  /// Begins anew.
  func reset() {
    guard dirty > 0 else { return }
    unsafe segment.base.copyMemory(from: template, byteCount: segment.bytes)
    dirty = 0
  }

  /// Stores a word as the peer's other threads would; offsets beyond the end are passed over.
  func store(_ value: UInt64, at offset: Int) {
    guard offset >= 0, offset <= segment.bytes - 8, offset % 8 == 0 else { return }
    dirty += 1
    unsafe OwnedWord64(at: segment.base + offset).storeRelease(value)
  }

  /// Stores a byte.
  func store(byte: UInt8, at offset: Int) {
    guard offset >= 0, offset < segment.bytes else { return }
    dirty += 1
    unsafe segment.base.storeBytes(of: byte, toByteOffset: offset, as: UInt8.self)
  }

  /// Stores `lines` headers in a row, whole lines of the segment.
  func store(_ words: HeaderWords, lines: Int, at offset: Int) {
    guard lines > 0, offset >= 0, offset + lines * 64 <= segment.bytes, offset % 64 == 0 else {
      return
    }
    dirty += 1
    let to = unsafe (segment.base + offset).bindMemory(to: HeaderWords.self, capacity: lines)
    unsafe to.update(repeating: words, count: lines)
  }

  func load(_ offset: Int) -> UInt64 { unsafe OwnedWord64(at: segment.base + offset).loadRelaxed() }
}
