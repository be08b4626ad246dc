import BusWire
import Testing

@Suite("CRC32C")
struct ChecksumTests {
  @Test("the known checksums come out by hardware and by table, in one piece and in two")
  func golden() throws {
    print("CRC32C by hardware: \(CRC32C.hasHardware)")
    for vector in try GoldenVector.group("crc32c") {
      let expected: UInt32 = try vector.number("crc")
      #expect(CRC32C.checksum(vector.bytes) == expected, "\(vector.name)")
      for cut in 0...vector.bytes.count {
        let (whole, table) = inTwoPieces(vector.bytes, cut: cut)
        #expect(whole == expected, "\(vector.name) cut at \(cut)")
        #expect(table == expected, "\(vector.name) by table, cut at \(cut)")
      }
    }
  }

  @Test("hardware and table agree on random bytes of every length")
  func agreement() {
    var generator = SeededGenerator(seed: 0x5EED_0002)
    for length in 0..<600 {
      let bytes = (0..<length).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
      let (whole, table) = inTwoPieces(bytes, cut: length / 3)
      #expect(whole == table)
    }
  }

  private func inTwoPieces(_ bytes: [UInt8], cut: Int) -> (UInt32, UInt32) {
    unsafe bytes.withUnsafeBytes { buffer in
      let span = unsafe RawSpan(_unsafeBytes: buffer)
      let (first, second) = (span.extracting(0..<cut), span.extracting(cut..<bytes.count))
      var crc = CRC32C()
      crc.update(first)
      crc.update(second)
      let table = CRC32C.byTable(second, continuing: CRC32C.byTable(first, continuing: 0))
      return (crc.value, table)
    }
  }

  @Test("golden messages carry the checksum of their bytes")
  func messages() throws {
    for vector in try GoldenVector.group("message") {
      let expected: UInt32 = try vector.number("crc")
      #expect(try computed(vector.bytes) == expected)
      try verify(vector.bytes)
    }
  }

  @Test("a change in any covered bit is found, and what a relay changes is not covered")
  func coverage() throws {
    for vector in try GoldenVector.group("message") {
      let header = try MessageHeader(decoding: vector.bytes)
      let statedAt = try offsetOfChecksum(vector.bytes)
      for offset in vector.bytes.indices {
        for bit in 0..<8 {
          var bytes = vector.bytes
          bytes[offset] ^= 1 << bit
          // Past these, the bytes are another message or none.
          if [14, 15].contains(offset) || isItemHeader(offset, bytes) { continue }
          let free =
            offset == 13 || offset == 56 && (bit == 0 || bit == 4)
            || header.topicId != nil && (48..<56).contains(offset)
          let error = failure(bytes)
          if free {
            #expect(error == nil, "offset \(offset) bit \(bit)")
          } else if header.topicId == nil || !(40..<48).contains(offset) {
            #expect(error != nil, "offset \(offset) bit \(bit)")
          }
        }
      }
      var damaged = vector.bytes
      damaged[statedAt] ^= 1
      let right: UInt32 = try vector.number("crc")
      #expect(failure(damaged) == .checksum(stated: right ^ 1, computed: right))
    }
  }

  @Test("a message without a checksum is refused where one is needed")
  func missing() throws {
    var header = sampleHeader()
    header.extensionLength = 0
    header.length = 0
    #expect(failure(try header.encoded()) == .checksumMissing)
  }

  private func isItemHeader(_ offset: Int, _ bytes: [UInt8]) -> Bool {
    guard let header = try? MessageHeader(decoding: bytes) else { return false }
    return itemOffsets(bytes, header).contains { ($0 - 4..<$0).contains(offset - 64) }
  }

  private func itemOffsets(_ bytes: [UInt8], _ header: MessageHeader) -> [Int] {
    unsafe bytes.withUnsafeBytes { buffer in
      let whole = unsafe RawSpan(_unsafeBytes: buffer)
      var reader = ExtensionReader(whole.extracting(64..<64 + Int(header.extensionLength)))
      var offsets: [Int] = []
      while let item = try? reader.next() { offsets.append(item.valueOffset) }
      return offsets
    }
  }

  private func offsetOfChecksum(_ bytes: [UInt8]) throws -> Int {
    let header = try MessageHeader(decoding: bytes)
    return try unsafe bytes.withUnsafeBytes { buffer in
      let items = unsafe RawSpan(_unsafeBytes: buffer)
        .extracting(64..<64 + Int(header.extensionLength))
      guard let item = try ExtensionReader.first(.crc32c, in: items) else {
        throw WireError.checksumMissing
      }
      return item.valueOffset + 64
    }
  }

  private func computed(_ bytes: [UInt8]) throws -> UInt32 {
    let header = try MessageHeader(decoding: bytes)
    let payloadAt = 64 + Int(header.extensionLength)
    return try unsafe bytes.withUnsafeBytes { buffer in
      let whole = unsafe RawSpan(_unsafeBytes: buffer)
      return try MessageChecksum.compute(
        header: header.words, extension: whole.extracting(64..<payloadAt),
        payload: whole.extracting(payloadAt..<bytes.count))
    }
  }

  private func verify(_ bytes: [UInt8]) throws {
    let header = try MessageHeader(decoding: bytes)
    let payloadAt = 64 + Int(header.extensionLength)
    try unsafe bytes.withUnsafeBytes { buffer in
      let whole = unsafe RawSpan(_unsafeBytes: buffer)
      try MessageChecksum.verify(
        header: header.words, extension: whole.extracting(64..<payloadAt),
        payload: whole.extracting(payloadAt..<bytes.count))
    }
  }

  private func failure(_ bytes: [UInt8]) -> WireError? {
    do {
      try verify(bytes)
      return nil
    } catch {
      return error as? WireError
    }
  }
}
