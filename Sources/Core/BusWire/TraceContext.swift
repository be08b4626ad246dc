/// Where a message stands in a distributed trace: the fields of a W3C `traceparent`.
public struct TraceContext: Hashable, Sendable {
  /// The whole trace; not all zero.
  public var traceId: BusUUID
  /// The span that sent the message; not zero.
  public var parentId: UInt64
  /// Bit 0: the sender recorded its span.
  public var flags: UInt8

  /// A trace context of its fields.
  public init(traceId: BusUUID, parentId: UInt64, flags: UInt8) {
    self.traceId = traceId
    self.parentId = parentId
    self.flags = flags
  }

  /// Parses `00-<32 digits>-<16 digits>-<2 digits>`; nil for anything else or for zero ids.
  public init?(traceparent: String) {
    let parts = traceparent.utf8.split(
      separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
    guard parts.count == 4, parts.map(\.count) == [2, 32, 16, 2], parts[0].allSatisfy({ $0 == 48 })
    else { return nil }
    guard
      let high = Self.number(parts[1].prefix(16)), let low = Self.number(parts[1].suffix(16)),
      let parent = Self.number(parts[2]), let flags = Self.number(parts[3]),
      high | low != 0, parent != 0
    else { return nil }
    self.init(
      traceId: BusUUID(high: high, low: low), parentId: parent,
      flags: UInt8(truncatingIfNeeded: flags))
  }

  /// The form of the HTTP header: `00-<trace id>-<parent id>-<flags>`.
  public var traceparent: String {
    "00-\(hexText(traceId.high))\(hexText(traceId.low))-\(hexText(parentId))-\(hexText(flags))"
  }

  private static func number(_ digits: Substring.UTF8View) -> UInt64? {
    var number: UInt64 = 0
    for character in digits {
      // W3C allows lower case only.
      guard let digit = hexDigit(character), !(65...70).contains(character) else { return nil }
      number = number << 4 | digit
    }
    return number
  }
}
