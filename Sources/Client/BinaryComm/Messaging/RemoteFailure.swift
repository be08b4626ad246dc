import BusWire
import CBusABI

/// The payload of an error on the wire: the number of a code or a cause, and a sentence.
struct RemoteFailure: Equatable {
  let code: UInt32
  let text: String

  init(code: UInt32, text: String) {
    self.code = code
    self.text = text
  }

  /// What a handler threw, as its requester is told it.
  init(_ error: BusError) {
    self.init(code: error.serviceCode ?? UInt32(error.number), text: error.text)
  }

  /// The failure in these bytes; bytes that say nothing are a failure all the same.
  init(decoding bytes: [UInt8]) {
    guard bytes.count >= Int(BUS_ERROR_CODE_BYTES) else {
      self.init(code: UInt32(BusErrorCode.failed.rawValue), text: "the error has no code")
      return
    }
    self.init(
      code: (0..<4).reduce(0) { $0 | UInt32(bytes[$1]) << UInt32(8 * $1) },
      text: String(decoding: bytes.dropFirst(4).prefix(Self.textBytesMax), as: UTF8.self))
  }

  var encoded: [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: code >> UInt32(8 * $0)) }
      + Array(text.utf8.prefix(Self.textBytesMax))
  }

  /// As the requester throws it.
  var error: BusError {
    guard code < BUS_ERROR_CODE_OWN, let number = UInt16(exactly: code),
      BusErrorCode(number: number) != nil
    else { return .failed(code: code, text) }
    return BusError(number: number, text: text)
  }

  private static var textBytesMax: Int { 4096 }
  /// Bytes of a payload that are read.
  static var bytesMax: Int { Int(BUS_ERROR_CODE_BYTES) + textBytesMax }
}
