import BusTestSupport
import BusWire
import Testing

@Suite("References to blobs")
struct BlobReferenceTests {
  private let reference = BlobReference(
    token: BusUUID(word0: 0x0102_0304_0506_0708, word1: .max), maker: Incarnation(77),
    byteCount: 0x1_0000_0001)

  @Test("a reference is 48 bytes that say what they are, and is read back whole")
  func roundTrip() {
    let bytes = reference.encoded
    #expect(bytes.count == BlobReference.encodedByteCount)
    #expect(Array(bytes[..<8]) == Array("BCSBLOB1".utf8))
    #expect(BlobReference(bytes) == reference)
  }

  @Test("a reference with any bit changed, cut short or with more behind it is none")
  func damaged() {
    let bytes = reference.encoded
    for place in bytes.indices {
      for bit in 0..<8 {
        var damaged = bytes
        damaged[place] ^= 1 << UInt8(bit)
        #expect(BlobReference(damaged) == nil, "byte \(place), bit \(bit)")
      }
    }
    for count in 0..<bytes.count { #expect(BlobReference(Array(bytes[..<count])) == nil) }
    #expect(BlobReference(bytes + [0]) == nil)
    let empty = BlobReference(token: reference.token, maker: reference.maker, byteCount: 0)
    #expect(BlobReference(empty.encoded) == nil)
  }

  @Test("ordinary payloads of that length are none")
  func ordinary() {
    var random = SeededGenerator(seed: 0x5EED_0009)
    for _ in 0..<10_000 {
      let bytes = (0..<BlobReference.encodedByteCount).map { _ in
        UInt8.random(in: 0...255, using: &random)
      }
      #expect(BlobReference(bytes) == nil)
    }
  }
}
