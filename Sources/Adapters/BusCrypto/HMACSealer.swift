public import BusPorts
import COpenSSL

/// Seals tickets with HMAC-SHA256 under a secret key.
public struct HMACSealer: TicketSealer, Sendable {
  /// The length of a key in bytes.
  public static let keyBytes = 32

  private let key: [UInt8]

  /// A sealer with this key, which should be 32 random bytes.
  public init(key: [UInt8]) { self.key = key }

  /// The HMAC-SHA256 of these bytes, 32 bytes long.
  public func seal(_ bytes: [UInt8]) -> [UInt8] {
    var tag = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
    var length: UInt32 = 0
    let made = unsafe HMAC(
      EVP_sha256(), key, Int32(key.count), bytes, bytes.count, &tag, &length)
    // Without a tag nothing may ever verify: an empty one matches no ticket.
    guard unsafe made != nil else { return [] }
    return Array(tag.prefix(Int(length)))
  }

  /// Whether the tag is that of these bytes; the time does not tell where they differ.
  public func verifies(_ tag: [UInt8], for bytes: [UInt8]) -> Bool {
    let expected = seal(bytes)
    guard !expected.isEmpty, tag.count == expected.count else { return false }
    return unsafe CRYPTO_memcmp(expected, tag, expected.count) == 0
  }
}
