import BinaryComm
import BusJSON
import BusText
import BusWire

/// Turns messages into what `bcs sub` prints.
struct MessagePrinter {
  enum Form {
    /// A line about the message, its body, an empty line.
    case headers
    /// Topic and body on one line.
    case line
    /// The payload's bytes and nothing else.
    case raw
    /// One JSON object on one line.
    case json
  }

  let form: Form
  let style: Style
  /// Times in the time zone of this process; else UTC.
  var isLocal = false

  /// Appends one message of a stream on this channel.
  func append(_ message: ReceivedMessage, on channel: String, to bytes: inout [UInt8]) {
    switch form {
    case .raw: bytes += message.payload
    case .json: bytes += Array((json(message, channel) + "\n").utf8)
    case .line:
      bytes += Array("\(style.paint(message.topic.printable, .bold)) ".utf8)
      bytes += PayloadText.shown(message.payload, .escaped)
      bytes.append(0x0A)
    case .headers:
      bytes += Array((header(message, channel) + "\n").utf8)
      // Only a line about a message begins with a bracket: further lines of a body are indented,
      // and so is the first where it has one.
      let body = PayloadText.shown(message.payload, .indented)
      if body.first == UInt8(ascii: "[") { bytes += [0x20, 0x20] }
      bytes += body
      bytes += [0x0A, 0x0A]
    }
  }

  /// The message's name as `bcs why` takes it: its publisher, its channel, its number there.
  ///
  /// How much of the topic the channel is, the policy says.
  private static func id(of message: ReceivedMessage, on channel: String) -> String {
    "\(message.publisher)/\(channel):\(message.sequence)"
  }

  private func json(_ message: ReceivedMessage, _ channel: String) -> TerminalText {
    JSONValue.line(
      [
        ("id", .text(Self.id(of: message, on: channel))),
        ("topic", .text(message.topic)), ("publisher", .text(message.publisher)),
        ("time", .text(time(message))),
        ("unix_ns", .unsigned(message.header.timestamp)),
        ("sequence", .unsigned(message.sequence)), ("gap", .unsigned(message.gapBefore)),
        ("size", .integer(message.payload.count)),
        ("part", part(message).map { .text($0) } ?? .null),
      ] + PayloadText.fields(of: message.payload))
  }

  private func header(_ message: ReceivedMessage, _ channel: String) -> TerminalText {
    let size = TextWrap.bytes(UInt64(message.payload.count))
    let part = part(message).map { ", \($0) part" } ?? ""
    let topic = style.paint(message.topic.printable, .bold)
    let about = style.paint("at \(time(message)), \(size)\(part)", .faint)
    return "[\(Self.id(of: message, on: channel).printable)] \(topic) \(about)"
  }

  private func time(_ message: ReceivedMessage) -> String {
    let ns = message.header.timestamp
    return isLocal ? System.isoLocal(ns) : System.iso(ns)
  }

  private func part(_ message: ReceivedMessage) -> String? {
    if message.header.flags.contains(.more) { return "more" }
    return message.header.flags.contains(.lastPart) ? "last" : nil
  }
}
