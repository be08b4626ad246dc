/// Appends the fields of a frame one after another.
public struct ControlWriter {
  /// What has been written, header included.
  public private(set) var bytes: [UInt8]

  /// Starts a frame with its header.
  public init(kind: ControlKind, request: UInt32) {
    bytes = []
    bytes.reserveCapacity(128)
    u32(ControlFormat.magic)
    u16(ControlFormat.version)
    u16(kind.rawValue)
    u32(request)
    u32(0)
  }

  /// Appends one byte.
  public mutating func u8(_ value: UInt8) { bytes.append(value) }

  /// Appends two bytes, little-endian.
  public mutating func u16(_ value: UInt16) { number(UInt64(value), bytes: 2) }

  /// Appends four bytes, little-endian.
  public mutating func u32(_ value: UInt32) { number(UInt64(value), bytes: 4) }

  /// Appends eight bytes, little-endian.
  public mutating func u64(_ value: UInt64) { number(value, bytes: 8) }

  /// Appends 1 for yes and 0 for no.
  public mutating func flag(_ value: Bool) { u8(value ? 1 : 0) }

  /// Appends a string: its length in two bytes, then UTF-8.
  ///
  /// A text of more than `ControlFormat.textBytesMax` bytes is cut between two characters; names
  /// and topics are far shorter, so that only texts for people are ever cut.
  public mutating func text(_ value: String) {
    var cut = Array(value.utf8)
    if cut.count > ControlFormat.textBytesMax {
      var end = ControlFormat.textBytesMax
      while end > 0, cut[end] & 0xC0 == 0x80 { end -= 1 }
      cut.removeSubrange(end...)
    }
    u16(UInt16(cut.count))
    bytes.append(contentsOf: cut)
  }

  /// Appends sixteen bytes.
  public mutating func uuid(_ value: BusUUID) {
    u64(value.high.byteSwapped)
    u64(value.low.byteSwapped)
  }

  /// Appends 32 bytes.
  public mutating func ticket(_ value: ControlTicket) { bytes.append(contentsOf: value.bytes) }

  private mutating func number(_ value: UInt64, bytes count: Int) {
    for place in 0..<count {
      bytes.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * place)))
    }
  }
}
