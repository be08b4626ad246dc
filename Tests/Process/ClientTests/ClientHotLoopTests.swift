import BinaryComm
import BusLog
import BusTestSupport
import BusWire
import CAllocationCount
import Foundation
import ProcessSupport
import Testing

// The loops of a program that are promised to be free of the heap and of reference counts. They
// are functions of their own, so that a test can read their machine code.

@inline(never)
func clientLoopPublish(
  _ publisher: inout Publisher, _ topic: TopicHandle, _ payload: RawSpan, _ count: Int
) throws(BusError) {
  for _ in 0..<count { try publisher.publish(topic, payload) }
}

@inline(never)
func clientLoopInPlace(
  _ publisher: inout Publisher, _ topic: TopicHandle, _ count: Int
) throws(BusError) {
  for value in 0..<count {
    try publisher.publish(topic, count: 64) { unsafe $0.append(value, as: Int.self) }
  }
}

@inline(never)
func clientLoopPoll(_ reader: inout Reader, _ sum: inout UInt64) throws(BusError) -> Int {
  try reader.poll(limit: 64) { message in
    sum &+= message.timestampNs &+ UInt64(truncatingIfNeeded: message.payload.byteCount)
  }
}

private final class Node {
  var value: UInt64 = 1
  var next: Node?
}

/// The negative control: nodes that are made, and kept alive one after the other.
@inline(never)
private func clientLoopControl(_ first: Node, _ count: Int) -> UInt64 {
  var sum: UInt64 = 0
  var node = first
  for _ in 0..<count {
    sum &+= node.value
    if let next = node.next { node = next }
  }
  return sum
}

@Suite("Publishing and polling without heap and reference counts", .serialized)
struct ClientHotLoopTests {
  @Test("100,000 messages, copied and in place, allocate nothing")
  func allocations() throws {
    guard allocation_count() != .max else {
      print("client allocations: 1 skipped: a sanitizer owns the heap")
      return
    }
    let idle = allocation_count()
    let node = Node()
    node.next = Node()
    #expect(clientLoopControl(node, 2) == 2)
    #expect(allocation_count() > idle, "the counter counts")
    try Watchdog.bounding("client allocations", seconds: 60) {
      let bus = try ClientBus()
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      var reader = try listener.reader("ticks", mode: .lossless)
      var publisher = try writer.publisher(on: "ticks")
      let topic = try publisher.topic("ticks")
      let payload = [UInt8](repeating: 7, count: 64)
      try reader.meet()
      var sum: UInt64 = 0
      var taken = 0
      for _ in 0..<10 {
        try clientLoopPublish(&publisher, topic, payload.raw, 50)
        try clientLoopInPlace(&publisher, topic, 50)
        taken += try drain(&reader, &sum)
      }
      #expect(taken == 1000)
      let start = allocation_count()
      for _ in 0..<1000 {
        try clientLoopPublish(&publisher, topic, payload.raw, 50)
        try clientLoopInPlace(&publisher, topic, 50)
        taken += try drain(&reader, &sum)
      }
      let allocations = allocation_count() - start
      print("client allocations: \(allocations) in 100000 messages")
      #expect(allocations == 0)
      #expect(taken == 101_000 && sum > 0)
    }
  }

  private func drain(_ reader: inout Reader, _ sum: inout UInt64) throws -> Int {
    var taken = 0
    while true {
      let now = try clientLoopPoll(&reader, &sum)
      if now == 0 { return taken }
      taken += now
    }
  }

  @Test("their machine code counts no references, and that of the control does")
  func references() throws {
    let tool = "/usr/bin/objdump"
    let isThere = FileManager.default.isExecutableFile(atPath: tool)
    try #require(isThere, "objdump is needed: apt-get install binutils")
    let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    let table = try Child.run(tool, ["-t", program], timeout: .seconds(60))
    for name in ["clientLoopPublish", "clientLoopInPlace", "clientLoopPoll"] {
      let lines = try machineCode(name, table.stdout, program)
      #expect(lines.count > 20, "\(name) was not found")
      let banned = ["swift_retain", "swift_release", "swift_alloc", "_beginAccess"]
      let found = lines.filter { line in banned.contains { line.contains($0) } }
      #expect(found.isEmpty, "\(name): \(found)")
      print("machine code: \(name) has \(lines.count) lines, \(found.count) reference counts")
    }
    let control = try machineCode("clientLoopControl", table.stdout, program)
    #expect(control.contains { $0.contains("swift_retain") || $0.contains("swift_release") })
  }

  /// The disassembly of all symbols whose name contains `name`.
  private func machineCode(
    _ name: String, _ table: String, _ program: String
  ) throws -> [Substring] {
    var lines: [Substring] = []
    // Only the symbols in question: the whole program would be hundreds of megabytes of text.
    for entry in table.split(separator: "\n") where entry.contains(name) {
      guard let symbol = entry.split(separator: " ").last else { continue }
      let part = try Child.run(
        "/usr/bin/objdump", ["-d", "--no-show-raw-insn", "--disassemble=\(symbol)", program],
        timeout: .seconds(120))
      lines += part.stdout.split(separator: "\n")
    }
    return lines
  }
}
