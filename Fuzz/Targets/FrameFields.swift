package import BusWire

/// The fields of each frame an agent sends, so that an input of few bytes is a frame that decodes.
///
/// A test holds that every kind has a row and that what the row writes is accepted.
package enum FrameFields {
  package enum Field {
    case version, small32, slot, generation, capacity, segmentBytes, payloadBytes, keepMs, position
    case stream, attachment, incarnation, agent, token, ticket
    case name, category, channel, pattern, service, words
    case flag, mode, group, subject, part
  }

  package static let rows: [ControlKind: [Field]] = [
    .hello: [.version, .words],
    .register: [.name, .category, .agent],
    .addLog: [.stream, .channel, .generation, .capacity, .segmentBytes],
    .retireLog: [.stream, .generation],
    .closeStream: [.stream],
    .subscribe: [.small32, .pattern, .mode, .flag, .slot],
    .unsubscribe: [.small32],
    .reannounce: [.small32, .stream],
    .attach: [.attachment, .slot],
    .detach: [.attachment],
    .released: [.attachment, .generation],
    .joined: [.attachment, .generation, .position, .position, .position],
    .joinRefused: [.attachment, .words],
    .evict: [.attachment, .words],
    .query: [.subject],
    .goodbye: [],
    .reattach: [.name, .category, .agent, .incarnation, .ticket],
    .restoreLog: [.stream, .channel, .generation, .capacity, .segmentBytes, .flag, .flag, .ticket],
    .restoreReader: [.stream, .attachment, .incarnation],
    .restoreSubscription: [.small32, .pattern, .mode, .flag, .slot],
    .restoreAttachment: [
      .attachment, .small32, .stream, .incarnation, .name, .agent, .channel, .slot, .flag, .flag,
    ],
    .restoreDone: [],
    .answer: [.service, .group, .flag],
    .resolve: [.service, .group],
    .forget: [.service, .group],
    .addCounters: [.part, .segmentBytes],
    .watch: [],
    .unwatch: [],
    .addBlob: [.token, .segmentBytes, .payloadBytes, .keepMs],
    .openBlob: [.token, .incarnation],
    .dropBlob: [.token, .flag],
  ]

  /// The kinds in a fixed order, to be named by a byte.
  package static let kinds = rows.keys.sorted { $0.rawValue < $1.rawValue }

  package static let names = ["feed", "reader", "spy", "bcs.x", ""]
  package static let channels = [
    "open", "secret", "own.deep", "bcs.broadcast", "bcs.inbox.1.normal", "x.y",
  ]
  package static let patterns = [
    "open", ">", "own.>", "secret", "bcs.broadcast", "*", "bcs.inbox.2.>", "..",
  ]
  package static let services = ["math", "feed", "reader", "bcs", ""]
}

/// What a frame's fields were chosen to be; the descriptor beside it is made to agree, or not.
package struct FrameWords {
  package init() {}

  package var name = ""
  package var channel = ""
  package var generation: UInt32 = 0
  package var capacity: UInt64 = 65536
  package var segmentBytes: UInt64 = 65536 + 8192
  package var payloadBytes: UInt64 = 1
  package var part: UInt16 = 0
  package var agent = BusUUID.zero
  package var token = BusUUID.zero
}

/// Writes frames from an input; numbers the router gave earlier come up again.
package struct FramePen {
  package init() {}
  /// An agent's UUID, of version 4 as the router demands.
  package static func agent(_ number: UInt64) -> BusUUID {
    BusUUID(high: number << 16 | 0x4000, low: 1 << 63 | 1)
  }

  /// Numbers that were seen: streams, attachments, incarnations.
  package var streams: [UInt64] = []
  package var attachments: [UInt64] = []
  package var incarnations: [UInt64] = []
  package var tickets: [ControlTicket] = []
  package private(set) var words = FrameWords()

  package mutating func frame(_ kind: ControlKind, request: UInt32, _ input: inout FuzzInput)
    -> [UInt8]
  {
    words = FrameWords()
    var writer = ControlWriter(kind: kind, request: request)
    for field in FrameFields.rows[kind] ?? [] { write(field, to: &writer, &input) }
    return writer.bytes
  }

  private mutating func write(
    _ field: FrameFields.Field, to writer: inout ControlWriter, _ input: inout FuzzInput
  ) {
    switch field {
    case .version: writer.u16(input.byte() & 7 == 7 ? 2 : 1)
    case .small32: writer.u32(UInt32(input.byte() & 7))
    case .slot: writer.u16(UInt16(input.byte()) &* 5)
    case .flag: writer.flag(input.byte() & 1 == 1)
    case .mode: writer.u8(input.byte() % 3 + 1)
    case .group: writer.u8(input.byte() % 2 + 1)
    case .subject: writer.u8(input.byte() % 6 + 1)
    case .keepMs: writer.u32(UInt32(input.byte()) << 8)
    case .position: writer.u64(input.byte() == 255 ? .max : UInt64(input.byte() & 3) * 64)
    case .stream: writer.u64(known(streams, &input))
    case .attachment: writer.u64(known(attachments, &input))
    case .incarnation: writer.u64(known(incarnations, &input))
    case .ticket:
      let none = ControlTicket([UInt8](repeating: 0, count: ControlTicket.byteCount))
      let at = Int(input.byte())
      if let ticket = tickets.isEmpty ? none : tickets[at % tickets.count] { writer.ticket(ticket) }
    default: writeWords(field, to: &writer, &input)
    }
  }

  private mutating func writeWords(
    _ field: FrameFields.Field, to writer: inout ControlWriter, _ input: inout FuzzInput
  ) {
    switch field {
    case .generation:
      words.generation = UInt32(input.byte() & 3)
      writer.u32(words.generation)
    case .capacity:
      words.capacity = UInt64(4096) << UInt64(input.byte() & 7)
      words.segmentBytes = words.capacity &+ 8192
      writer.u64(words.capacity)
    case .segmentBytes:
      let code = input.byte()
      if code > 8 { words.segmentBytes = UInt64(4096) << UInt64(code & 7) }
      writer.u64(words.segmentBytes)
    case .payloadBytes:
      words.payloadBytes = UInt64(input.byte())
      writer.u64(words.payloadBytes)
    case .part:
      words.part = UInt16(input.byte() & 7)
      writer.u16(words.part)
    case .agent:
      let code = input.byte()
      words.agent = code == 255 ? .zero : FramePen.agent(UInt64(code & 3) + 1)
      writer.uuid(words.agent)
    case .token:
      words.token = BusUUID(word0: UInt64(input.byte() & 3), word1: 9)
      writer.uuid(words.token)
    case .name:
      words.name = one(of: FrameFields.names, &input)
      writer.text(words.name)
    case .channel:
      words.channel = one(of: FrameFields.channels, &input)
      writer.text(words.channel)
    case .pattern: writer.text(one(of: FrameFields.patterns, &input))
    case .service: writer.text(one(of: FrameFields.services, &input))
    default: writer.text(input.byte() & 7 == 7 ? String(repeating: "x", count: 70) : "t")
    }
  }

  private func one(of texts: [String], _ input: inout FuzzInput) -> String {
    texts[input.pick(texts.count)]
  }

  /// A number seen before, or none of them, or any small one.
  private func known(_ numbers: [UInt64], _ input: inout FuzzInput) -> UInt64 {
    let code = Int(input.byte())
    if code >= 224 { return UInt64(code - 224) }
    guard code < 192, !numbers.isEmpty else { return 0 }
    return numbers[numbers.count - 1 - code % min(numbers.count, 12)]
  }
}
