/// A payload that carries a number.
package func numbered(_ number: Int, bytes: Int = 8) -> [UInt8] {
  var payload = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: bytes)
  for byte in 0..<8 { payload[byte] = UInt8(truncatingIfNeeded: number >> (8 * byte)) }
  return payload
}

/// The number that a payload carries, -1 when it is too short for one.
package func number(_ payload: RawSpan) -> Int {
  guard payload.byteCount >= 8 else { return -1 }
  return unsafe payload.unsafeLoadUnaligned(as: Int.self)
}

/// The number that a copied payload carries.
package func number(_ payload: [UInt8]) -> Int { number(payload.raw) }

extension [UInt8] {
  /// The bytes as a publisher takes them.
  package var raw: RawSpan {
    @_lifetime(borrow self)
    get { unsafe span.bytes }
  }
}
