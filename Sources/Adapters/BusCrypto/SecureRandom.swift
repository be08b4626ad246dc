import COpenSSL

/// Bytes nobody can guess.
public enum SecureRandom {
  /// This many random bytes, fit for keys.
  ///
  /// - Throws: `CryptoError` when libcrypto has no source of randomness.
  public static func bytes(_ count: Int) throws(CryptoError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    guard let length = Int32(exactly: count), unsafe RAND_bytes(&bytes, length) == 1 else {
      throw .unavailable("randomness")
    }
    return bytes
  }
}

/// What libcrypto could not do.
public enum CryptoError: Error, Equatable, Sendable, CustomStringConvertible {
  /// This primitive failed; memory is short or the library is restricted.
  case unavailable(String)

  /// One sentence for the operator.
  public var description: String {
    switch self {
    case .unavailable(let what):
      "libcrypto does not give \(what): see whether OpenSSL 3 is installed whole"
    }
  }
}
