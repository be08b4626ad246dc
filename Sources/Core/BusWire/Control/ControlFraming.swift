// What the frames of both directions share: the header before the fields, and nothing behind them.

extension ControlWriter {
  /// The bytes of one whole frame.
  static func frame(_ kind: ControlKind, _ body: (any ControlBody)?, request: UInt32) -> [UInt8] {
    var writer = ControlWriter(kind: kind, request: request)
    body?.write(to: &writer)
    return writer.bytes
  }
}

extension ControlReader {
  /// Reads one whole frame; `fields` reads what stands behind the header.
  static func frame<Frame>(
    _ bytes: [UInt8],
    _ fields: (ControlKind, inout ControlReader) throws(ControlError) -> Frame
  ) throws(ControlError) -> (request: UInt32, frame: Frame) {
    var reader = ControlReader(bytes)
    let (raw, request) = try reader.header()
    guard let kind = ControlKind(rawValue: raw) else { throw .unknownKind(raw) }
    let frame = try fields(kind, &reader)
    try reader.finish()
    return (request, frame)
  }
}
