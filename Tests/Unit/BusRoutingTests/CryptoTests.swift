import BusCrypto
import Testing

@Suite("libcrypto")
struct CryptoTests {
  private func hex(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  @Test("HMAC-SHA256 gives the second test vector of RFC 4231")
  func hmac() {
    let sealer = HMACSealer(key: Array("Jefe".utf8))
    let text = Array("what do ya want for nothing?".utf8)
    let tag = sealer.seal(text)
    #expect(hex(tag) == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    #expect(sealer.verifies(tag, for: text))
    #expect(!sealer.verifies(tag, for: text + [0]))
    #expect(!sealer.verifies(Array(tag.dropLast()), for: text))
    #expect(!sealer.verifies([], for: text))
  }

  @Test("SHA-256 is the same however the bytes come in")
  func digest() throws {
    var pieces = try SHA256()
    for byte in "abc".utf8 { try pieces.update([byte]) }
    let hash = hex(try pieces.finish())
    #expect(hash == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    let none = hex(try SHA256().finish())
    #expect(none == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
  }

  @Test("random bytes differ")
  func random() throws {
    let first = try SecureRandom.bytes(32)
    #expect(first.count == 32)
    #expect(try SecureRandom.bytes(32) != first)
  }
}
