/// The fields of one kind of frame, read and written in the order of the protocol document.
protocol ControlBody {
  init(from reader: inout ControlReader) throws(ControlError)
  func write(to writer: inout ControlWriter)
}

extension ChannelLimit: ControlBody {
  init(from reader: inout ControlReader) throws(ControlError) {
    prefix = try reader.text()
    logBytesMax = try reader.u64()
  }

  func write(to writer: inout ControlWriter) {
    writer.text(prefix)
    writer.u64(logBytesMax)
  }
}

extension RowField: ControlBody {
  init(from reader: inout ControlReader) throws(ControlError) {
    key = try reader.text()
    value = try reader.text()
  }

  func write(to writer: inout ControlWriter) {
    writer.text(key)
    writer.text(value)
  }
}

extension AttachmentID {
  init(from reader: inout ControlReader) throws(ControlError) {
    self.init(try reader.u64())
  }
}

extension ControlReader {
  mutating func subscribeMode() throws(ControlError) -> SubscribeMode {
    let value = try u8()
    guard let mode = SubscribeMode(rawValue: value) else { throw .value(UInt64(value)) }
    return mode
  }

  mutating func serviceGroup() throws(ControlError) -> ServiceGroup {
    let value = try u8()
    guard let group = ServiceGroup(rawValue: value) else { throw .value(UInt64(value)) }
    return group
  }

  mutating func querySubject() throws(ControlError) -> QuerySubject {
    let value = try u8()
    guard let subject = QuerySubject(rawValue: value) else { throw .value(UInt64(value)) }
    return subject
  }

  mutating func streamEndReason() throws(ControlError) -> StreamEndReason {
    let value = try u8()
    guard let reason = StreamEndReason(rawValue: value) else { throw .value(UInt64(value)) }
    return reason
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
