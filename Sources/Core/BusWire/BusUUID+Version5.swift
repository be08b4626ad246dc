import CBusABI

extension BusUUID {
  /// The namespace of agent names, fixed in `bus_wire.h`.
  public static var agentNamespace: BusUUID {
    BusUUID(high: BUS_NAMESPACE_HIGH, low: BUS_NAMESPACE_LOW)
  }

  /// The version 5 UUID (RFC 9562, section 5.5) of a name in a namespace.
  public init(name: String, namespace: BusUUID) {
    let digest = SHA1.digest(namespace.bytes + Array(name.utf8))
    let high = UInt64(digest[0]) << 32 | UInt64(digest[1])
    let low = UInt64(digest[2]) << 32 | UInt64(digest[3])
    self.init(
      high: high & ~0xF000 | 0x5000,
      low: low & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000)
  }

  /// The UUID that an agent of this name has when it brings none of its own.
  public init(agentName: String) { self.init(name: agentName, namespace: .agentNamespace) }

  /// The version of RFC 9562, 1 to 8; nil when the bytes are no UUID of that variant.
  public var version: Int? { low >> 62 == 0b10 ? Int(high >> 12 & 0xF) : nil }

  /// Whether an agent of this name may bear this UUID: the one that follows from the name, or one
  /// that follows from nothing (version 4 and 7).
  ///
  /// A version 5 UUID of another name would be that agent's: its messages could not be told apart.
  public func mayBelong(toAgent name: String) -> Bool {
    switch version {
    case 4, 7: true
    case 5: self == BusUUID(agentName: name)
    default: false
    }
  }
}

/// SHA-1 (FIPS 180-4), for version 5 UUIDs only: it is broken as a signature.
package enum SHA1 {
  /// The digest of the message, as five words.
  package static func digest(_ message: [UInt8]) -> [UInt32] {
    var state: [UInt32] = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0]
    var padded = message
    padded.append(0x80)
    while padded.count % 64 != 56 { padded.append(0) }
    let bits = UInt64(message.count) * 8
    for shift in stride(from: UInt64(56), through: 0, by: -8) {
      padded.append(UInt8(truncatingIfNeeded: bits >> shift))
    }
    for start in stride(from: 0, to: padded.count, by: 64) {
      absorb(padded[start..<start + 64], into: &state)
    }
    return state
  }

  private static func absorb(_ block: ArraySlice<UInt8>, into state: inout [UInt32]) {
    var schedule = [UInt32](repeating: 0, count: 80)
    for (index, byte) in block.enumerated() {
      schedule[index / 4] = schedule[index / 4] << 8 | UInt32(byte)
    }
    for t in 16..<80 {
      let mixed = schedule[t - 3] ^ schedule[t - 8] ^ schedule[t - 14] ^ schedule[t - 16]
      schedule[t] = rotate(mixed, by: 1)
    }
    var (a, b, c, d, e) = (state[0], state[1], state[2], state[3], state[4])
    for t in 0..<80 {
      let next = rotate(a, by: 5) &+ mix(t, b, c, d) &+ e &+ constant(t) &+ schedule[t]
      (e, d, c, b, a) = (d, c, rotate(b, by: 30), a, next)
    }
    for (index, word) in [a, b, c, d, e].enumerated() { state[index] &+= word }
  }

  private static func rotate(_ word: UInt32, by bits: UInt32) -> UInt32 {
    word << bits | word >> (32 - bits)
  }

  private static func mix(_ t: Int, _ b: UInt32, _ c: UInt32, _ d: UInt32) -> UInt32 {
    switch t {
    case 0..<20: b & c | ~b & d
    case 40..<60: b & c | b & d | c & d
    default: b ^ c ^ d
    }
  }

  private static func constant(_ t: Int) -> UInt32 {
    switch t {
    case 0..<20: 0x5A82_7999
    case 20..<40: 0x6ED9_EBA1
    case 40..<60: 0x8F1B_BCDC
    default: 0xCA62_C1D6
    }
  }
}
