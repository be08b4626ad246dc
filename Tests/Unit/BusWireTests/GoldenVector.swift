import BusWire
import Foundation
import Testing

/// One entry of `Golden/vectors.txt`: what the bytes mean, written down apart from the code.
struct GoldenVector: CustomTestStringConvertible, Sendable {
  let name: String
  var fields: [String: String] = [:]
  var bytes: [UInt8] = []

  var testDescription: String { name }

  /// All vectors whose name starts with `group` and a dot; fails the test when there is none.
  static func group(_ group: String) throws -> [GoldenVector] {
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("Golden/vectors.txt")
    let found = parse(try String(contentsOf: path, encoding: .utf8))
      .filter { $0.name.hasPrefix(group + ".") }
    try #require(!found.isEmpty, "no golden vector of the group \(group)")
    return found
  }

  func text(_ field: String) throws -> String {
    try #require(fields[field], "\(name) has no field \(field)")
  }

  func number<T: FixedWidthInteger>(_ field: String) throws -> T {
    let text = try text(field)
    let value =
      text.hasPrefix("0x") ? T(text.dropFirst(2), radix: 16) : T(text)
    return try #require(value, "\(name): \(field) is not a number: \(text)")
  }

  func uuid(_ field: String) throws -> BusUUID {
    let text = try text(field)
    if text.hasPrefix("topic:") {
      return BusUUID(topicId: try #require(UInt64(text.dropFirst(6))))
    }
    return try #require(BusUUID(text), "\(name): \(field) is not a UUID: \(text)")
  }

  func hex(_ field: String) throws -> [UInt8] { unhex(Substring(try text(field))) }

  private static func parse(_ file: String) -> [GoldenVector] {
    var vectors: [GoldenVector] = []
    for line in file.split(separator: "\n") where !line.hasPrefix("#") {
      guard line.hasPrefix("  ") else {
        vectors.append(GoldenVector(name: String(line)))
        continue
      }
      let words = line.dropFirst(2).split(
        separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
      let value = words.count > 1 ? words[1] : ""
      if words[0] == "hex" {
        vectors[vectors.count - 1].bytes += unhex(value)
      } else {
        vectors[vectors.count - 1].fields[String(words[0])] = String(value)
      }
    }
    return vectors
  }
}

/// Bytes of hexadecimal digits.
private func unhex(_ digits: Substring) -> [UInt8] {
  let values = digits.compactMap(\.hexDigitValue)
  return stride(from: 0, to: values.count - values.count % 2, by: 2).map {
    UInt8(values[$0] << 4 | values[$0 + 1])
  }
}

/// SplitMix64: the same numbers for the same seed on every machine.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}

/// A correct header to alter.
func sampleHeader() -> MessageHeader {
  MessageHeader(
    type: .request, length: 9, priority: .high, hops: 2, extensionLength: 16, timestamp: 5,
    source: BusUUID(agentName: "director"), destination: BusUUID(agentName: "architect"),
    flags: [.replyExpected], correlationId: 77)
}
