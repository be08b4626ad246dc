import BusWire
import Testing

@Suite("Random bytes")
struct RandomBytesTests {
  private static let seed: UInt64 = 0x5EED_0001
  private static let inputs = 240_000

  @Test("no input traps, and every header that decodes encodes to the same bytes")
  func headers() throws {
    print("random headers: seed \(Self.seed), \(Self.inputs) inputs")
    var generator = SeededGenerator(seed: Self.seed)
    let good = try sampleHeader().encoded()
    var accepted = 0
    var refused = 0
    for round in 0..<Self.inputs {
      var bytes = randomBytes(upTo: 96, &generator)
      // Two thirds start as a header, so that the later checks are reached too.
      if round % 3 != 0, bytes.count >= 64 {
        bytes.replaceSubrange(0..<16, with: good.prefix(16))
        bytes[Int.random(in: 0..<16, using: &generator)] = UInt8.random(
          in: 0...255, using: &generator)
      }
      guard let header = try? MessageHeader(decoding: bytes) else {
        refused += 1
        continue
      }
      accepted += 1
      if try header.encoded() != Array(bytes.prefix(64)) {
        Issue.record("round \(round) of seed \(Self.seed) does not encode to itself")
      }
    }
    #expect(accepted > 10_000)
    #expect(refused > 10_000)
  }

  @Test("no extension traps, and one that decodes says the same after a round trip")
  func extensions() throws {
    print("random extensions: seed \(Self.seed), \(Self.inputs) inputs")
    var generator = SeededGenerator(seed: Self.seed)
    var accepted = 0
    for round in 0..<Self.inputs {
      let bytes = randomExtension(&generator)
      guard let items = try? MessageExtension(decoding: bytes) else { continue }
      accepted += 1
      if try MessageExtension(decoding: items.encoded()) != items {
        Issue.record("round \(round) of seed \(Self.seed) changes in a round trip")
      }
    }
    #expect(accepted > 10_000)
  }

  @Test("no payload traps, and one that decodes encodes to the same bytes")
  func payloads() throws {
    print("random payloads: seed \(Self.seed), \(Self.inputs) inputs")
    var generator = SeededGenerator(seed: Self.seed)
    var accepted = 0
    let seeds = [
      try RequestPayload(method: "analyze", params: [1]).encoded(),
      try ResponsePayload(error: "none", result: [1]).encoded(),
      try EventPayload(eventType: "tick", topic: "a.b", data: [1]).encoded(),
    ]
    for round in 0..<Self.inputs {
      var bytes = seeds[round % 3]
      if round % 8 == 0 { bytes = randomBytes(upTo: 300, &generator) }
      if !bytes.isEmpty {
        let place = Int.random(in: 0..<bytes.count, using: &generator)
        bytes[place] = UInt8.random(in: 0...255, using: &generator)
      }
      for again in reencodings(bytes) {
        accepted += 1
        if again != bytes {
          Issue.record("round \(round) of seed \(Self.seed) does not encode to itself")
        }
      }
    }
    #expect(accepted > 10_000)
  }

  private func reencodings(_ bytes: [UInt8]) -> [[UInt8]] {
    [
      try? RequestPayload(decoding: bytes).encoded(),
      try? ResponsePayload(decoding: bytes).encoded(),
      try? EventPayload(decoding: bytes).encoded(),
    ].compactMap { $0 }
  }

  private func randomBytes(upTo most: Int, _ generator: inout SeededGenerator) -> [UInt8] {
    let count = Int.random(in: 0...most, using: &generator)
    return (0..<count).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
  }

  /// Items with plausible kinds and lengths, sometimes spoilt in one byte or cut off.
  private func randomExtension(_ generator: inout SeededGenerator) -> [UInt8] {
    var bytes: [UInt8] = []
    for _ in 0..<Int.random(in: 0...4, using: &generator) {
      let kind = UInt8.random(in: 0...9, using: &generator)
      let lengths: [UInt8] = [1, 4, 8, 16, 25, UInt8.random(in: 0...40, using: &generator)]
      let length = lengths[Int.random(in: 0..<lengths.count, using: &generator)]
      bytes += [kind, 0, length, 0]
      bytes += (0..<length).map { _ in UInt8.random(in: 32...126, using: &generator) }
      while bytes.count % 8 != 0 { bytes.append(0) }
    }
    if !bytes.isEmpty, generator.next() % 4 == 0 {
      let place = Int.random(in: 0..<bytes.count, using: &generator)
      bytes[place] = UInt8.random(in: 0...255, using: &generator)
    }
    if !bytes.isEmpty, generator.next() % 16 == 0 { bytes.removeLast() }
    return bytes
  }
}
