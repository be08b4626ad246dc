import BusCounters
import BusLog
import BusMemory
import BusRouting
import BusWire
import CBusABI
import CBusPlatform
import Glibc

/// Looks at descriptors that agents hand in, before anybody else is given them.
///
/// A segment must be a memory file that nobody can resize, punch or map writable again, of which
/// every page is allocated. Its identity is copied once, checked in the copy, and the copy holds
/// for ever: the bytes behind it may change at any time.
struct SegmentInspector {
  /// The largest segment in bytes.
  let bytesMax: UInt64
  /// The kernel's device on which memory files of the accepted kind lie.
  private let device: dev_t?

  /// An inspector that takes memory files of the same kind as this one.
  init(bytesMax: UInt64, ofKind sample: Int32) {
    self.bytesMax = bytesMax
    var status = stat()
    device = unsafe fstat(sample, &status) == 0 ? status.st_dev : nil
  }

  /// What was found, and what it took to find it.
  struct Look {
    let finding: Segment.Finding
    /// Bytes of memory of which each page was looked up.
    var bytes: UInt64 = 0
  }

  /// Looks at what is to be such a segment.
  ///
  /// Its pages come last: to look each of them up takes time, all else does not.
  func inspect(_ descriptor: Int32, as offer: SegmentOffer) -> Look {
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      return Look(
        finding: .unusable("The descriptor is no memory file: make it with memfd_create."))
    }
    if let complaint = complaintAboutFile(descriptor, status) { return Look(finding: complaint) }
    let size = UInt64(status.st_size)
    if let announced = offer.bytes, announced != size {
      return Look(
        finding: .unusable("The segment has \(size) bytes, its frame says \(announced)."))
    }
    let finding = finding(descriptor, offer.kind, size)
    if case .unusable = finding { return Look(finding: finding) }
    let allocated = UInt64(max(0, status.st_blocks)) * 512
    guard PeerSegment.isWhole(descriptor, bytes: size, allocated: allocated) else {
      return Look(
        finding: .unusable(
          "The segment's pages are not all written to, or there is memory behind its end: use "
            + "posix_fallocate for its size, and touch every page before the seal."),
        bytes: size)
    }
    return Look(finding: finding, bytes: size)
  }

  private func finding(
    _ descriptor: Int32, _ kind: SegmentOffer.Kind, _ size: UInt64
  ) -> Segment.Finding {
    // Only a blob's bytes are final: everything else is written to.
    let isFinal = plat_seals(descriptor) & PLAT_SEALS_WHOLE == PLAT_SEALS_WHOLE
    var copy = [UInt8](repeating: 0, count: Self.identityBytes)
    guard unsafe pread(descriptor, &copy, copy.count, 0) == copy.count else {
      return .unusable("The segment cannot be read: hand in a descriptor opened for reading.")
    }
    let identity = Identity(copy)
    guard let found = Self.kind(identity.u32(0)) else {
      return .unusable(
        "The segment is neither a log nor a reader segment nor one of counters, and no blob.")
    }
    guard found == kind else {
      return .unusable(
        "The descriptor is a \(Self.name(found)); a \(Self.name(kind)) belongs here.")
    }
    switch kind {
    case .log: return log(identity, size: size)
    case .reader: return reader(identity, size: size)
    case .counters: return counters(identity, size: size)
    case .blob: return blob(identity, size: size, isFinal)
    }
  }

  private static func kind(_ magic: UInt32) -> SegmentOffer.Kind? {
    switch magic {
    case BUS_LOG_MAGIC: .log
    case BUS_READER_MAGIC: .reader
    case BUS_COUNTERS_MAGIC: .counters
    case BUS_BLOB_MAGIC: .blob
    default: nil
    }
  }

  private static func name(_ kind: SegmentOffer.Kind) -> String {
    switch kind {
    case .log: "log"
    case .reader: "reader segment"
    case .counters: "segment of counters"
    case .blob: "blob"
    }
  }

  private func complaintAboutFile(_ descriptor: Int32, _ status: stat) -> Segment.Finding? {
    let seals = plat_seals(descriptor)
    guard seals >= 0 else {
      return .unusable("The descriptor is no memory file that can be sealed.")
    }
    guard seals & PLAT_SEALS_REQUIRED == PLAT_SEALS_REQUIRED else {
      return .unusable(
        "The segment is not sealed (seals \(seals), needed \(PLAT_SEALS_REQUIRED)): seal it "
          + "against growing, shrinking, future writing and further seals.")
    }
    guard status.st_dev == device else {
      return .unusable(
        "The memory file is not of the kind that routers take: make it with memfd_create, and "
          + "without huge pages.")
    }
    guard status.st_size >= Self.identityBytes else {
      return .unusable("A segment of \(status.st_size) bytes is smaller than its identity.")
    }
    guard UInt64(status.st_size) <= bytesMax else {
      return .noRoom(
        "A segment of \(status.st_size) bytes is larger than the arena of \(bytesMax): raise the "
          + "router's --arena, or send the payload in parts or as a blob.")
    }
    return nil
  }

  private func log(_ identity: Identity, size: UInt64) -> Segment.Finding {
    guard identity.u16(4) == BUS_LAYOUT_VERSION else {
      return .unusable("The log has layout version \(identity.u16(4)): restart the agent.")
    }
    let found: LogIdentity
    do throws(MemoryError) {
      // The readers' own check: a log that passes here is one that they can read.
      found = try LogIdentity(copied: identity.bytes, fileBytes: size)
    } catch {
      return .unusable("The log's identity breaks the layout: \(error.message).")
    }
    guard identity.u64(48) % UInt64(BUS_LOG_RECORD_ALIGN) == 0 else {
      return .unusable("The log's identity breaks the layout: its base lies off the grid.")
    }
    return .log(
      BusRouting.LogShape(
        segmentBytes: size, capacity: found.shape.capacity, agent: found.agent,
        incarnation: Incarnation(found.incarnation), basePosition: identity.u64(48),
        baseSequence: identity.u64(56), generation: found.generation,
        hotOffset: Int(found.hotOffset), channel: found.channel))
  }

  private func reader(_ identity: Identity, size: UInt64) -> Segment.Finding {
    guard identity.u16(4) == BUS_LAYOUT_VERSION, identity.u64(8) == size,
      size == UInt64(BUS_READER_SEGMENT_BYTES), identity.u32(40) == BUS_READER_EPOCHS,
      identity.u32(44) == BUS_READER_SLOTS
    else { return .unusable("The reader segment's identity breaks the layout.") }
    return .reader(
      ReaderShape(
        segmentBytes: size, agent: identity.uuid(16), incarnation: Incarnation(identity.u64(32))))
  }

  private func counters(_ identity: Identity, size: UInt64) -> Segment.Finding {
    let part = identity.u16(6)
    let shape = CounterShape(part: Int(part))
    guard identity.u16(4) == BUS_LAYOUT_VERSION, part < CounterShape.partsMax,
      size == UInt64(shape.bytes), identity.u64(8) == size,
      Int(identity.u32(40)) == shape.rows, Int(identity.u32(44)) == shape.histograms
    else { return .unusable("The identity of the counters breaks the layout.") }
    return .counters(
      CountersShape(
        segmentBytes: size, agent: identity.uuid(16), incarnation: Incarnation(identity.u64(32)),
        part: part))
  }

  private func blob(_ identity: Identity, size: UInt64, _ isFinal: Bool) -> Segment.Finding {
    guard isFinal else {
      return .unusable(
        "The blob may still be written to: unmap it, then seal it against writing, too.")
    }
    let payload = identity.u64(16)
    let room = size - min(size, UInt64(BUS_BLOB_PAYLOAD_OFFSET))
    guard identity.u16(4) == BUS_LAYOUT_VERSION, identity.u64(8) == size, payload > 0,
      payload <= room, room - payload < 4096
    else { return .unusable("The blob's identity breaks the layout.") }
    return .blob(BlobShape(segmentBytes: size, payloadBytes: payload, token: identity.uuid(24)))
  }

  private static let identityBytes = 256
}

/// The router's own copy of a segment's first bytes; offsets are those of `bus_layout.h`.
private struct Identity {
  let bytes: [UInt8]

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  func u16(_ offset: Int) -> UInt16 { UInt16(truncatingIfNeeded: number(offset, 2)) }
  func u32(_ offset: Int) -> UInt32 { UInt32(truncatingIfNeeded: number(offset, 4)) }
  func u64(_ offset: Int) -> UInt64 { number(offset, 8) }

  func uuid(_ offset: Int) -> BusUUID {
    BusUUID(word0: u64(offset), word1: u64(offset + 8))
  }

  private func number(_ offset: Int, _ count: Int) -> UInt64 {
    (0..<count).reduce(0) { $0 | UInt64(bytes[offset + $1]) << UInt64(8 * $1) }
  }
}
