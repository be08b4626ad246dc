/// Large payloads whose every byte follows from a number.
package enum LargePayload {
  package static let most = 16 << 20

  /// A payload on its own.
  package static func bytes(_ number: Int, count: Int) -> [UInt8] {
    unsafe [UInt8](unsafeUninitializedCapacity: count) { room, written in
      for index in 0..<count { unsafe room[index] = byte(number, index) }
      written = count
    }
  }

  /// Writes a payload where readers will find it.
  package static func write(_ number: Int, to out: inout OutputRawSpan) {
    unsafe out.withUnsafeMutableBytes { room, written in
      for index in 0..<room.count { unsafe room[index] = byte(number, index) }
      written = room.count
    }
  }

  /// What is wrong with a payload, nil when every byte is right.
  package static func fault(_ payload: RawSpan, _ number: Int, count: Int) -> String? {
    guard payload.byteCount == count else {
      return "message \(number) has \(payload.byteCount) bytes, not \(count)"
    }
    return unsafe payload.withUnsafeBytes { bytes in
      var wrong = 0
      for index in 0..<count where unsafe bytes[index] != byte(number, index) { wrong += 1 }
      return wrong == 0 ? nil : "\(wrong) bytes of message \(number) are wrong"
    }
  }

  /// The same of a copy.
  package static func fault(_ payload: [UInt8], _ number: Int, count: Int) -> String? {
    fault(payload.raw, number, count: count)
  }

  @inline(__always)
  private static func byte(_ number: Int, _ index: Int) -> UInt8 {
    UInt8(truncatingIfNeeded: number &* 89 &+ index &* 7 &+ index >> 8 &+ index >> 16)
  }
}
