import COpenSSL

/// A SHA-256 digest that takes its bytes piece by piece.
///
/// ```swift
/// var digest = try SHA256()
/// try digest.update(bytes)
/// let hash = try digest.finish()
/// ```
@safe
public struct SHA256: ~Copyable {
  // OpenSSL's context belongs to this one value and is freed with it.
  private let context: OpaquePointer

  /// A digest of no bytes yet.
  ///
  /// - Throws: `CryptoError` when libcrypto has no memory or no SHA-256.
  public init() throws(CryptoError) {
    guard let context = unsafe EVP_MD_CTX_new() else { throw .unavailable("SHA-256") }
    guard unsafe EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
      unsafe EVP_MD_CTX_free(context)
      throw .unavailable("SHA-256")
    }
    unsafe self.context = context
  }

  deinit { unsafe EVP_MD_CTX_free(context) }

  /// Takes more bytes in.
  ///
  /// - Throws: `CryptoError` when libcrypto refuses.
  public mutating func update(_ bytes: [UInt8]) throws(CryptoError) {
    guard unsafe EVP_DigestUpdate(context, bytes, bytes.count) == 1 else {
      throw .unavailable("SHA-256")
    }
  }

  /// Takes more bytes in, straight from where they lie.
  ///
  /// - Throws: `CryptoError` when libcrypto refuses.
  public mutating func update(_ bytes: RawSpan) throws(CryptoError) {
    let done = unsafe bytes.withUnsafeBytes { raw in
      unsafe EVP_DigestUpdate(context, raw.baseAddress, raw.count)
    }
    guard done == 1 else { throw .unavailable("SHA-256") }
  }

  /// The 32 bytes of the digest; the value is used up.
  ///
  /// - Throws: `CryptoError` when libcrypto refuses.
  public consuming func finish() throws(CryptoError) -> [UInt8] {
    var hash = [UInt8](repeating: 0, count: 32)
    guard unsafe EVP_DigestFinal_ex(context, &hash, nil) == 1 else {
      throw .unavailable("SHA-256")
    }
    return hash
  }
}
