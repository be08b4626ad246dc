import BinaryComm
import BusJSON
import BusWire

/// Turns messages into what `bcs sub` prints.
struct MessagePrinter {
  enum Form {
    /// A line about the message, its body, an empty line.
    case headers
    /// The payload's bytes and nothing else.
    case raw
    /// One JSON object on one line.
    case json
  }

  let form: Form
  let style: Style

  /// Appends one message.
  func append(_ message: ReceivedMessage, number: Int, to bytes: inout [UInt8]) {
    switch form {
    case .raw: bytes += message.payload
    case .json: bytes += Array((json(message) + "\n").utf8)
    case .headers: bytes += Array(headers(message, number).utf8)
    }
  }

  private func json(_ message: ReceivedMessage) -> String {
    JSONValue.line(
      [
        ("topic", .text(message.topic)), ("publisher", .text(message.publisher)),
        ("time", .text(System.iso(message.header.timestamp))),
        ("unix_ns", .unsigned(message.header.timestamp)),
        ("sequence", .unsigned(message.sequence)), ("gap", .unsigned(message.gapBefore)),
        ("size", .integer(message.payload.count)),
        ("part", part(message).map { .text($0) } ?? .null),
      ] + Self.fields(of: message.payload))
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

  private func headers(_ message: ReceivedMessage, _ number: Int) -> String {
    let size = Prose.bytes(UInt64(message.payload.count))
    let part = part(message).map { ", \($0) part" } ?? ""
    let topic = style.paint(message.topic.printable, .bold)
    let about =
      "from \(message.publisher.printable) at \(System.iso(message.header.timestamp)), "
      + "\(size)\(part)"
    return "[#\(number)] \(topic) \(style.paint(about, .faint))\n\(body(message.payload))\n\n"
  }

  private func part(_ message: ReceivedMessage) -> String? {
    if message.header.flags.contains(.more) { return "more" }
    return message.header.flags.contains(.lastPart) ? "last" : nil
  }

  /// The payload so that it cannot disturb a terminal.
  func body(_ payload: [UInt8]) -> String {
    if let blob = BlobReference(payload) {
      return "(a blob of \(Prose.bytes(blob.byteCount)); --raw writes its bytes)"
    }
    guard let text = String(validating: payload, as: UTF8.self) else {
      let shown = payload.prefix(64).map { byte in
        let hex = String(byte, radix: 16)
        return hex.count < 2 ? "0" + hex : hex
      }
      let rest = payload.count > 64 ? " …" : ""
      return "(no text) \(shown.joined(separator: " "))\(rest)"
    }
    return text.split(separator: "\n", omittingEmptySubsequences: false)
      .map { line in
        line.split(separator: "\t", omittingEmptySubsequences: false)
          .map { String($0).printable }.joined(separator: "\t")
      }
      .joined(separator: "\n")
  }
}
