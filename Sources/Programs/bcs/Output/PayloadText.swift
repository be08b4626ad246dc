import BinaryComm
import BusJSON
import BusText
import BusWire

/// A payload as a person reads it, so that it cannot disturb a terminal.
enum PayloadText {
  /// What stands between the lines of a payload of several.
  enum LineBreak: String {
    /// The payload's own line feed.
    case kept = "\n"
    /// Two spaces begin each further line, so that none of them looks like a line of ours.
    case indented = "\n  "
    /// Backslash and n: the payload takes one line.
    case escaped = "\\n"
  }

  /// Text as it is but for what moves a cursor or changes a colour; the first bytes of what is no
  /// text; what a blob's reference stands for.
  static func shown(_ payload: [UInt8], _ lineBreak: LineBreak) -> [UInt8] {
    if let blob = BlobReference(payload) {
      return Array("(a blob of \(TextWrap.bytes(blob.byteCount)); --raw writes its bytes)".utf8)
    }
    // Where the lines have a form of their own, a line feed at the end begins no further one.
    if lineBreak != .kept, payload.last == 0x0A { return shown(payload.dropLast(), lineBreak) }
    return shown(payload[...], lineBreak)
  }

  private static func shown(_ payload: ArraySlice<UInt8>, _ lineBreak: LineBreak) -> [UInt8] {
    guard let text = String(validating: payload, as: UTF8.self) else {
      return Array(binary(payload).utf8)
    }
    return joined(Array(SafeText.block(text).utf8), lineBreak)
  }

  /// A payload in JSON: as text where it is that, the size of the blob that it refers to.
  static func fields(of payload: [UInt8]) -> [(String, JSONValue)] {
    let blob = BlobReference(payload)
    let text = blob == nil ? String(validating: payload, as: UTF8.self) : nil
    return [
      ("encoding", .text(text == nil ? "base64" : "text")),
      ("blob_bytes", blob.map { .unsigned($0.byteCount) } ?? .null),
      ("payload", .text(text ?? Base64.encode(payload))),
    ]
  }

  private static func joined(_ text: [UInt8], _ lineBreak: LineBreak) -> [UInt8] {
    guard lineBreak != .kept, text.contains(0x0A) else { return text }
    return Array(
      text.split(separator: 0x0A, omittingEmptySubsequences: false)
        .joined(separator: lineBreak.rawValue.utf8))
  }

  private static func binary(_ payload: ArraySlice<UInt8>) -> String {
    let digits = payload.prefix(64).map { byte in
      let hex = String(byte, radix: 16)
      return hex.count < 2 ? "0" + hex : hex
    }
    let noun = payload.count == 1 ? "byte" : "bytes"
    return "(binary, \(payload.count) \(noun)) " + digits.joined(separator: " ")
      + (payload.count > 64 ? " …" : "")
  }
}
