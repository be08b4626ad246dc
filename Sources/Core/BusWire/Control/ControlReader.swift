/// Reads the fields of a frame one after another; every step is checked against the end.
public struct ControlReader {
  private let bytes: [UInt8]
  private var next: Int

  /// A reader that starts at the first of these bytes.
  public init(_ bytes: [UInt8]) {
    self.bytes = bytes
    next = 0
  }

  /// How many bytes have not been read.
  public var left: Int { bytes.count - next }

  /// The next byte.
  public mutating func u8() throws(ControlError) -> UInt8 {
    guard left >= 1 else { throw .tooShort }
    defer { next += 1 }
    return bytes[next]
  }

  /// The next two bytes as a little-endian number.
  public mutating func u16() throws(ControlError) -> UInt16 {
    UInt16(truncatingIfNeeded: try number(bytes: 2))
  }

  /// The next four bytes as a little-endian number.
  public mutating func u32() throws(ControlError) -> UInt32 {
    UInt32(truncatingIfNeeded: try number(bytes: 4))
  }

  /// The next eight bytes as a little-endian number.
  public mutating func u64() throws(ControlError) -> UInt64 { try number(bytes: 8) }

  /// The next byte as yes or no; a value but 0 and 1 is refused.
  public mutating func flag() throws(ControlError) -> Bool {
    let value = try u8()
    guard value <= 1 else { throw .value(UInt64(value)) }
    return value == 1
  }

  /// The next string: its length in two bytes, then UTF-8.
  public mutating func text() throws(ControlError) -> String {
    let length = Int(try u16())
    guard left >= length else { throw .tooShort }
    guard let text = String(validating: bytes[next..<next + length], as: UTF8.self) else {
      throw .notText
    }
    next += length
    return text
  }

  /// The next sixteen bytes.
  public mutating func uuid() throws(ControlError) -> BusUUID {
    let high = try u64()
    return BusUUID(high: high.byteSwapped, low: try u64().byteSwapped)
  }

  /// The next 32 bytes.
  public mutating func ticket() throws(ControlError) -> ControlTicket {
    guard left >= ControlTicket.byteCount else { throw .tooShort }
    defer { next += ControlTicket.byteCount }
    guard let ticket = ControlTicket(Array(bytes[next..<next + ControlTicket.byteCount])) else {
      throw .tooShort
    }
    return ticket
  }

  /// Refuses a frame with bytes behind its last field.
  public func finish() throws(ControlError) {
    guard left == 0 else { throw .leftOver(left) }
  }

  private mutating func number(bytes count: Int) throws(ControlError) -> UInt64 {
    guard left >= count else { throw .tooShort }
    var value: UInt64 = 0
    for place in 0..<count { value |= UInt64(bytes[next + place]) << UInt64(8 * place) }
    next += count
    return value
  }
}
