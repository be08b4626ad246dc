/// The fields of one kind of frame, in the order of the protocol document: read and written by one
/// list, so that the two cannot drift apart.
protocol ControlBody {
  /// One whose fields are about to be read.
  init()
  /// Hands each field to the coder, which reads or writes it.
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError)
}

extension ControlBody {
  /// Reads the fields.
  init(from reader: inout ControlReader) throws(ControlError) {
    self.init()
    try code(&reader)
  }

  /// Appends the fields.
  func write(to writer: inout ControlWriter) {
    var copy = self
    // Only reading can fail.
    try? copy.code(&writer)
  }
}

/// Reads fields into variables, or writes what they hold.
protocol FieldCoder {
  /// One byte.
  mutating func u8(_ value: inout UInt8) throws(ControlError)
  /// Two bytes, little-endian.
  mutating func u16(_ value: inout UInt16) throws(ControlError)
  /// Four bytes, little-endian.
  mutating func u32(_ value: inout UInt32) throws(ControlError)
  /// Eight bytes, little-endian.
  mutating func u64(_ value: inout UInt64) throws(ControlError)
  /// A byte, 1 for yes and 0 for no.
  mutating func flag(_ value: inout Bool) throws(ControlError)
  /// A length in two bytes, then UTF-8.
  mutating func text(_ value: inout String) throws(ControlError)
  /// Sixteen bytes.
  mutating func uuid(_ value: inout BusUUID) throws(ControlError)
  /// Thirty-two bytes.
  mutating func ticket(_ value: inout ControlTicket) throws(ControlError)
  /// A count in two bytes, then the items; `empty` is what an item is read into.
  mutating func list<Item>(
    _ items: inout [Item], of empty: Item,
    _ code: (inout Item, inout Self) throws(ControlError) -> Void
  ) throws(ControlError)
}

extension FieldCoder {
  /// A number that names something, in eight bytes.
  mutating func number(_ value: inout some WireNumber) throws(ControlError) {
    var raw = value.value
    try u64(&raw)
    value = .init(raw)
  }

  /// A choice in one byte; one without meaning is refused.
  mutating func choice<Choice: RawRepresentable<UInt8>>(
    _ value: inout Choice
  ) throws(ControlError) {
    var raw = value.rawValue
    try u8(&raw)
    guard let choice = Choice(rawValue: raw) else { throw .value(UInt64(raw)) }
    value = choice
  }
}

/// A number of eight bytes that has a type of its own.
protocol WireNumber {
  var value: UInt64 { get }
  init(_ value: UInt64)
}

extension StreamID: WireNumber {}
extension AttachmentID: WireNumber {}
extension Incarnation: WireNumber {}

extension ControlReader: FieldCoder {
  mutating func u8(_ value: inout UInt8) throws(ControlError) { value = try u8() }
  mutating func u16(_ value: inout UInt16) throws(ControlError) { value = try u16() }
  mutating func u32(_ value: inout UInt32) throws(ControlError) { value = try u32() }
  mutating func u64(_ value: inout UInt64) throws(ControlError) { value = try u64() }
  mutating func flag(_ value: inout Bool) throws(ControlError) { value = try flag() }
  mutating func text(_ value: inout String) throws(ControlError) { value = try text() }
  mutating func uuid(_ value: inout BusUUID) throws(ControlError) { value = try uuid() }
  mutating func ticket(_ value: inout ControlTicket) throws(ControlError) { value = try ticket() }

  mutating func list<Item>(
    _ items: inout [Item], of empty: Item,
    _ code: (inout Item, inout ControlReader) throws(ControlError) -> Void
  ) throws(ControlError) {
    items = []
    for _ in 0..<(try u16()) {
      var item = empty
      try code(&item, &self)
      items.append(item)
    }
  }

  /// Reads the 16 bytes before the body and returns the raw kind and the request number.
  mutating func header() throws(ControlError) -> (kind: UInt16, request: UInt32) {
    guard left <= ControlFormat.frameBytesMax else { throw .tooLong }
    guard try u32() == ControlFormat.magic else { throw .notAFrame }
    let version = try u16()
    guard version == ControlFormat.version else { throw .version(version) }
    let kind = try u16()
    let request = try u32()
    guard try u32() == 0 else { throw .notAFrame }
    return (kind, request)
  }
}

extension ControlWriter: FieldCoder {
  mutating func u8(_ value: inout UInt8) { u8(value) }
  mutating func u16(_ value: inout UInt16) { u16(value) }
  mutating func u32(_ value: inout UInt32) { u32(value) }
  mutating func u64(_ value: inout UInt64) { u64(value) }
  mutating func flag(_ value: inout Bool) { flag(value) }
  mutating func text(_ value: inout String) { text(value) }
  mutating func uuid(_ value: inout BusUUID) { uuid(value) }
  mutating func ticket(_ value: inout ControlTicket) { ticket(value) }

  /// Items beyond 65,535 are left out.
  mutating func list<Item>(
    _ items: inout [Item], of empty: Item,
    _ code: (inout Item, inout ControlWriter) throws(ControlError) -> Void
  ) throws(ControlError) {
    let most = min(items.count, Int(UInt16.max))
    u16(UInt16(most))
    for place in 0..<most { try code(&items[place], &self) }
  }
}

extension ChannelLimit: ControlBody {
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.text(&prefix)
    try coder.u64(&logBytesMax)
  }
}

extension RowField: ControlBody {
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.text(&key)
    try coder.text(&value)
  }
}
