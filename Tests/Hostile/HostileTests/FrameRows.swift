import BusWire
import Glibc

// Attacks on the router with frames: every kind of `FrameShape.fromAgents`, broken in every way.
// Each case is a connection of its own; what the router made of it is compared as text.

/// How far a connection has come before the attack.
enum Standing: Sendable {
  case connected
  case greeted
  case registered
}

/// What one record did to a connection.
struct FrameCase: Sendable {
  let bytes: [UInt8]
  var descriptors = 0

  /// Sends the record; returns what came back, and how many frames that were.
  ///
  /// A query behind it shows whether the connection goes on: `closed INVALID`, `error INVALID`,
  /// `answer 117`, or `nothing` for a frame that was taken without a word.
  func play(_ stand: Stand, _ standing: Standing, _ name: String) throws -> (String, Int) {
    let peer = try stand.attacker()
    defer { peer.leave() }
    switch standing {
    case .connected: break
    case .greeted: try peer.hello()
    case .registered: try peer.register(name)
    }
    let before = peer.framesReceived
    let file = try RawMemory(bytes: 4096)
    let given = [Int32](repeating: file.descriptor, count: descriptors)
    guard try peer.send(bytes, given) else { return ("closed", 0) }
    let fence = FrameShape.fromAgents.first { $0.name == "query" }
    if let fence { try peer.send(RawFrame(fence, request: Self.fence).bytes) }
    var answer: String?
    while true {
      switch try peer.next() {
      case .frame(let reply):
        if reply.request == Self.fence {
          if reply.kind == RawReply.Kind.row { continue }
          return (answer ?? "nothing", peer.framesReceived - before)
        }
        // News come with request 0; an answer to bytes that are no frame does, too.
        guard reply.request != 0 || reply.errorCode != nil else { continue }
        let code = reply.errorCode.map { "error \($0.name)" }
        answer = answer ?? code ?? "answer \(reply.kind)"
      case .ended:
        let said = answer.map { $0.replacing("error ", with: "closed ") } ?? "closed"
        return (said, peer.framesReceived - before)
      case .nothing: return ("silent", peer.framesReceived - before)
      }
    }
  }

  static let fence: UInt32 = 0xFE0CE

  /// Rows play many cases: each must come to the same end.
  static func all(
    _ cases: [FrameCase], _ standing: Standing, are expected: [String], _ stand: Stand,
    _ report: Report
  ) throws {
    for (number, one) in cases.enumerated() {
      let (found, frames) = try one.play(stand, standing, "kit.frames.\(number)")
      report.result(found, isOneOf: expected, "case \(number) (\(one.bytes.count) bytes)")
      report.work(frames, atMost: 8, "frames of the router for one of the attacker's")
    }
    if cases.isEmpty {
      // A kind without such a field has no such attack; the row says so by its sound form.
      report.holds(true, "")
      report.work(0, atMost: 0, "frames")
    }
  }
}

enum FrameRows {
  static var all: [AttackRow] {
    FrameShape.fromAgents.flatMap(rows) + headers + sizes
  }

  private static func rows(_ shape: FrameShape) -> [AttackRow] {
    let invalid = ["closed INVALID"]
    let goesOn = Answers.of(shape)
    return [
      row("cut at and beside each field", cuts(shape), invalid, shape),
      row("with a byte too many", surplus(shape), invalid, shape),
      row("with texts that are no UTF-8 or run over the end", badTexts(shape), invalid, shape),
      row("with choices that have no meaning", badChoices(shape), invalid, shape),
      row("with another number of descriptors", badCounts(shape), invalid, shape),
      row("with texts that are empty, too long or hold a NUL", oddTexts(shape), goesOn, shape),
      row("with numbers at 0, 1, max and the sign bit", oddNumbers(shape), goesOn, shape),
      AttackRow("frame \(shape.name): before hello and before register") { stand, report in
        let one = FrameCase(bytes: RawFrame(shape).bytes, descriptors: shape.descriptors)
        try FrameCase.all([one], .connected, are: Answers.early(shape), stand, report)
        try FrameCase.all([one], .greeted, are: Answers.greeted(shape), stand, report)
      },
    ].compactMap(\.self)
  }

  private static func row(
    _ what: String, _ cases: [FrameCase], _ expected: [String], _ shape: FrameShape
  ) -> AttackRow? {
    guard !cases.isEmpty else { return nil }
    return AttackRow("frame \(shape.name): \(what)") { stand, report in
      try FrameCase.all(cases, .registered, are: expected, stand, report)
    }
  }

  // MARK: Cases

  static func cuts(_ shape: FrameShape) -> [FrameCase] {
    var ends: Set<Int> = [1, 4, 8, 12, 15]
    var frame = RawFrame(kind: shape.kind)
    for field in shape.fields {
      ends.formUnion([frame.bytes.count, frame.bytes.count + 1])
      frame.put(field)
      ends.insert(frame.bytes.count - 1)
    }
    let whole = frame.bytes
    return ends.filter { $0 > 0 && $0 < whole.count }.sorted().map {
      FrameCase(bytes: Array(whole.prefix($0)), descriptors: shape.descriptors)
    }
  }

  static func surplus(_ shape: FrameShape) -> [FrameCase] {
    let whole = RawFrame(shape).bytes
    return [1, 8, 16_384].map {
      FrameCase(
        bytes: whole + [UInt8](repeating: 0, count: $0), descriptors: shape.descriptors)
    }
  }

  /// A frame of the shape in which one field is written otherwise.
  private static func variant(
    _ shape: FrameShape, _ place: Int, _ write: (inout RawFrame) -> Void
  ) -> FrameCase {
    var frame = RawFrame(kind: shape.kind)
    for (number, field) in shape.fields.enumerated() {
      if number == place { write(&frame) } else { frame.put(field) }
    }
    return FrameCase(bytes: frame.bytes, descriptors: shape.descriptors)
  }

  private static func texts(_ shape: FrameShape) -> [Int] {
    shape.fields.indices.filter {
      if case .text = shape.fields[$0].value { true } else { false }
    }
  }

  static func badTexts(_ shape: FrameShape) -> [FrameCase] {
    let broken: [[UInt8]] = [[0xFF], [0xC3], [0xED, 0xA0, 0x80], Array("ab".utf8) + [0x80]]
    return texts(shape).flatMap { place in
      broken.map { text in variant(shape, place) { $0.text(text) } }
        + [16_000, 0x7FFF, 0xFFFF].map { length in
          variant(shape, place) { $0.text(Array("ab".utf8), saying: length) }
        }
    }
  }

  static func oddTexts(_ shape: FrameShape) -> [FrameCase] {
    let odd: [[UInt8]] = [
      [], [0], Array("a\0b".utf8), Array("a..b".utf8), Array(".".utf8), Array(">.a".utf8),
      [UInt8](repeating: 97, count: 64), [UInt8](repeating: 97, count: 128),
      [UInt8](repeating: 97, count: 4096), Array("\u{1B}[2J\u{202E}".utf8),
      Array((0..<40).map { _ in "a" }.joined(separator: ".").utf8),
    ]
    return texts(shape).flatMap { place in
      odd.map { text in variant(shape, place) { $0.text(text) } }
    }
  }

  static func badChoices(_ shape: FrameShape) -> [FrameCase] {
    shape.fields.indices.flatMap { place -> [FrameCase] in
      guard let most = shape.fields[place].meanings,
        case .number(_, let width) = shape.fields[place].value
      else { return [] }
      return [most, most + 1, 127, 128, 255].map { value in
        variant(shape, place) { $0.number(value, width) }
      }
    }
  }

  static func oddNumbers(_ shape: FrameShape) -> [FrameCase] {
    shape.fields.indices.flatMap { place -> [FrameCase] in
      guard shape.fields[place].meanings == nil,
        case .number(let sound, let width) = shape.fields[place].value, shape.name != "hello"
      else { return [] }
      return [0, 1, .max, 1 << UInt64(8 * width - 1), sound &+ 1, sound &- 1].map { value in
        variant(shape, place) { $0.number(value, width) }
      }
    }
  }

  private static func badCounts(_ shape: FrameShape) -> [FrameCase] {
    [0, 1, 2, 3, 8].filter { $0 != shape.descriptors }.map {
      FrameCase(bytes: RawFrame(shape).bytes, descriptors: $0)
    }
  }

  // MARK: What all kinds have in common

  private static let headerCases: [(String, RawFrame, [String])] = [
    ("another magic", RawFrame(kind: 31, magic: 0x4353_4343), ["closed INVALID"]),
    ("a magic of zeros", RawFrame(kind: 31, magic: 0), ["closed INVALID"]),
    ("version 0", RawFrame(kind: 31, version: 0), ["closed INCOMPATIBLE_VERSION"]),
    ("version 1", RawFrame(kind: 31, version: 1), ["closed INCOMPATIBLE_VERSION"]),
    ("version max", RawFrame(kind: 31, version: 0xFFFF), ["closed INCOMPATIBLE_VERSION"]),
    ("reserved 1", RawFrame(kind: 31, reserved: 1), ["closed INVALID"]),
    ("reserved max", RawFrame(kind: 31, reserved: .max), ["closed INVALID"]),
    ("kind 0", RawFrame(kind: 0), ["closed INVALID"]),
    ("a kind that is not given out", RawFrame(kind: 99), ["closed INVALID"]),
    ("kind max", RawFrame(kind: 0xFFFF), ["closed INVALID"]),
    ("the router's own kind done", RawFrame(kind: 117), ["closed INVALID"]),
    ("the router's own kind queryEnd", RawFrame(kind: 115), ["closed INVALID"]),
    ("a request of number 0", RawFrame(kind: 31, request: 0), ["nothing"]),
    ("a request of number max", RawFrame(kind: 31, request: .max), ["answer 117"]),
  ]

  private static var headers: [AttackRow] {
    headerCases.map { text, frame, expected in
      AttackRow("frame header: \(text)") { stand, report in
        try FrameCase.all(
          [FrameCase(bytes: frame.bytes)], .registered, are: expected, stand, report)
      }
    }
  }

  private static var sizes: [AttackRow] {
    [
      AttackRow("record: empty") { stand, report in
        try FrameCase.all([FrameCase(bytes: [])], .registered, are: ["closed"], stand, report)
      },
      AttackRow("record: one byte more than a frame may have, and 64 KiB") { stand, report in
        let cases = [16_385, 65_536].map { FrameCase(bytes: [UInt8](repeating: 1, count: $0)) }
        try FrameCase.all(cases, .registered, are: ["closed INVALID"], stand, report)
      },
      AttackRow("record: as long as a frame may be, of zeros") { stand, report in
        let one = FrameCase(bytes: [UInt8](repeating: 0, count: 16_384))
        try FrameCase.all([one], .registered, are: ["closed INVALID"], stand, report)
      },
    ]
  }
}

/// What the router may answer to a frame that is whole.
private enum Answers {
  /// To odd values from a registered agent: a refusal, an answer of the kind, or no word; the
  /// connection goes on.
  static func of(_ shape: FrameShape) -> [String] {
    let refusals = [
      "error INVALID", "error DENIED", "error RESOURCE_EXHAUSTED", "error PEER_DIED",
      "error NOT_FOUND", "error FENCED", "error NAME_IN_USE", "error NO_ROUTER",
    ]
    switch shape.name {
    case "hello", "register", "reattach", "addLog", "addBlob", "addCounters", "openBlob":
      return refusals
    case "restoreLog", "restoreReader", "restoreSubscription", "restoreAttachment", "restoreDone":
      return refusals + ["nothing"]
    case "subscribe": return refusals + ["answer 104"]
    case "query": return ["nothing"]
    case "answer": return refusals + ["answer 117"]
    case "resolve": return refusals + ["answer 118"]
    default: return refusals + ["nothing"]
    }
  }

  static func early(_ shape: FrameShape) -> [String] {
    switch shape.name {
    case "hello": ["answer 101"]
    case "goodbye": ["closed"]
    default: ["error INVALID"]
    }
  }

  static func greeted(_ shape: FrameShape) -> [String] {
    switch shape.name {
    case "query": ["answer 114"]
    case "reattach": ["error FENCED", "error INVALID"]
    case "goodbye": ["closed"]
    default: ["error INVALID"]
    }
  }
}
