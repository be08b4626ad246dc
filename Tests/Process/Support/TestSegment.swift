package import BusWire
import CBusABI
import CBusPlatform
import Glibc

/// A memory file as an agent makes it, right or wrong.
package struct TestSegment {
  package let descriptor: Int32
  package let bytes: UInt64
  package let capacity: UInt64

  package func close() { Glibc.close(descriptor) }

  package static func uuid(_ name: String) -> BusUUID {
    BusUUID(agentName: name)
  }

  /// A memory file with these first bytes; sparse unless `allocated`, open unless `sealed`.
  package static func make(
    _ identity: [UInt8], bytes: UInt64, capacity: UInt64 = 0, allocated: Bool = true,
    sealed: Bool = true
  ) throws -> TestSegment {
    let descriptor = unsafe plat_memfd("test")
    guard descriptor >= 0 else { throw ClientFailure.system("memfd", -descriptor) }
    let size = allocated ? plat_allocate(descriptor, bytes) : ftruncate(descriptor, off_t(bytes))
    guard size >= 0 else { throw ClientFailure.system("size", -size) }
    guard unsafe pwrite(descriptor, identity, identity.count, 0) == identity.count else {
      throw ClientFailure.system("pwrite", errno)
    }
    if sealed { plat_seal(descriptor) }
    return TestSegment(descriptor: descriptor, bytes: bytes, capacity: capacity)
  }

  /// A sealed memory file in huge pages, of which none is allocated; the caller closes it.
  package static func hugeFile(bytes: Int) throws -> Int32 {
    // Missing from the Glibc module.
    typealias MemoryFile = @convention(c) (UnsafePointer<CChar>, UInt32) -> Int32
    guard let symbol = unsafe dlsym(nil, "memfd_create") else {
      throw ClientFailure.system("dlsym", ENOENT)
    }
    let create = unsafe unsafeBitCast(symbol, to: MemoryFile.self)
    let file = unsafe create("huge", 1 | 2 | 4)  // MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB
    guard file >= 0, ftruncate(file, bytes) == 0, plat_seal(file) >= 0 else {
      throw ClientFailure.system("memfd_create in huge pages", errno)
    }
    return file
  }

  package static func readerIdentity(_ agent: BusUUID, _ incarnation: Incarnation) -> [UInt8] {
    var words = Words()
    words.put(UInt64(BUS_READER_MAGIC), at: 0, 4)
    words.put(UInt64(BUS_LAYOUT_VERSION), at: 4, 2)
    words.put(UInt64(BUS_READER_SEGMENT_BYTES), at: 8, 8)
    words.put(agent, at: 16)
    words.put(incarnation.value, at: 32, 8)
    words.put(UInt64(BUS_READER_EPOCHS), at: 40, 4)
    words.put(UInt64(BUS_READER_SLOTS), at: 44, 4)
    return words.bytes
  }

  package static func reader(_ agent: BusUUID, _ incarnation: Incarnation) throws -> TestSegment {
    try make(readerIdentity(agent, incarnation), bytes: UInt64(BUS_READER_SEGMENT_BYTES))
  }

  package static func logIdentity(
    _ agent: BusUUID, _ incarnation: Incarnation, channel: String, capacity: UInt64,
    bytes: UInt64, generation: UInt32 = 0
  ) -> [UInt8] {
    var words = Words()
    words.put(UInt64(BUS_LOG_MAGIC), at: 0, 4)
    words.put(UInt64(BUS_LAYOUT_VERSION), at: 4, 2)
    words.put(UInt64(BUS_LOG_KIND_TOPIC), at: 6, 2)
    words.put(bytes, at: 8, 8)
    words.put(capacity, at: 16, 8)
    words.put(agent, at: 24)
    words.put(incarnation.value, at: 40, 8)
    words.put(UInt64(generation), at: 64, 4)
    words.put(UInt64(BUS_LOG_HOT_FIRST), at: 68, 4)
    words.put(4096, at: 72, 4)
    words.put(8192, at: 76, 4)
    words.put(UInt64(channel.utf8.count), at: 80, 2)
    for (place, byte) in channel.utf8.enumerated() { words.put(UInt64(byte), at: 82 + place, 1) }
    return words.bytes
  }

  package static func log(
    _ agent: BusUUID, _ incarnation: Incarnation, channel: String, capacity: UInt64 = 16384
  ) throws -> TestSegment {
    let bytes = capacity + 8192
    return try make(
      logIdentity(agent, incarnation, channel: channel, capacity: capacity, bytes: bytes),
      bytes: bytes, capacity: capacity)
  }

  /// The frame that hands this log in as a new stream's first.
  package func addLog(_ channel: String) -> AgentFrame {
    .addLog(
      AddLogFrame(
        stream: StreamID(0), channel: channel, generation: 0, capacity: capacity,
        segmentBytes: bytes))
  }
}

/// Little-endian fields at fixed offsets of 256 bytes.
private struct Words {
  var bytes = [UInt8](repeating: 0, count: 256)

  mutating func put(_ value: UInt64, at offset: Int, _ count: Int) {
    for place in 0..<count {
      bytes[offset + place] = UInt8(truncatingIfNeeded: value >> UInt64(8 * place))
    }
  }

  mutating func put(_ uuid: BusUUID, at offset: Int) {
    for (place, byte) in uuid.bytes.enumerated() { bytes[offset + place] = byte }
  }
}
