import BusLog
import BusMemory
import BusTestSupport
import BusWire
import CAllocationCount
import Foundation
import Testing

// The loops that are promised to be free of the heap and of reference counts. They are functions
// of their own, so that a test can read their machine code.

@inline(never)
func hotLoopAppend(_ writer: inout LogWriter, _ payload: borrowing RawSpan, _ count: Int) -> Int {
  let head = LogWriter.Head(type: .event, destination: BusUUID(topicId: 3))
  var done = 0
  for number in 0..<count {
    if writer.append(head, stamp: UInt64(truncatingIfNeeded: number), payload: payload) {
      writer.publish()
      done &+= 1
    }
  }
  return done
}

@inline(never)
func hotLoopPoll(_ reader: inout LogReader, _ sum: inout UInt64) -> Int {
  reader.poll(limit: 64) { record in
    sum &+= record.header.word2 &+ UInt64(truncatingIfNeeded: record.payload.byteCount)
  }
}

private final class Counter {
  var value: UInt64 = 0
  var next: Counter?
}

/// The negative control: a list whose nodes are kept alive one after the other.
@inline(never)
private func hotLoopControl(_ first: Counter, _ count: Int) -> UInt64 {
  var sum: UInt64 = 0
  var node = first
  for _ in 0..<count {
    sum &+= node.value
    if let next = node.next { node = next }
  }
  return sum
}

@Suite("Loops without heap and reference counts", .serialized)
struct HotLoopTests {
  @Test("append, publish and poll in place allocate nothing per message")
  func allocations() throws {
    guard allocation_count() != .max else {
      print("allocations: 1 skipped: a sanitizer owns the heap")
      return
    }
    let before = allocation_count()
    withExtendedLifetime([UInt8](repeating: 1, count: 5000)) {}
    let kept = UnsafeMutableRawPointer.allocate(byteCount: 10, alignment: 8)
    unsafe kept.deallocate()
    #expect(allocation_count() > before, "the counter counts")

    let stage = try Stage()
    let pen = try Pen(stage, capacity: 65536)
    let lossless = try Subject(stage, .lossless, attachment: 1)
    let lossy = try Subject(stage, .lossy, attachment: 2)
    let payload = [UInt8](repeating: 7, count: 64)
    var sum: UInt64 = 0
    func round() -> Int {
      let sent = unsafe hotLoopAppend(&pen.writer, payload.span.bytes, 100)
      while hotLoopPoll(&lossless.reader, &sum) > 0 {}
      while hotLoopPoll(&lossy.reader, &sum) > 0 {}
      return sent
    }
    #expect(round() == 100)
    let start = allocation_count()
    var sent = 0
    for _ in 0..<1000 { sent += round() }
    let allocations = allocation_count() - start
    print("allocations: \(allocations) in \(sent) messages, 2 readers")
    #expect(sent == 100_000 && allocations == 0)
    #expect(lossless.received == 100_100 && lossy.received == 100_100 && sum > 0)
  }

  @Test("their machine code counts no references, and that of the control does")
  func references() throws {
    let first = Counter()
    first.next = Counter()
    #expect(hotLoopControl(first, 2) == 0)
    guard let code = try Self.machineCode() else {
      print("machine code: 1 skipped: objdump is not installed (apt-get install binutils)")
      return
    }
    let banned = [
      "swift_retain", "swift_release", "swift_alloc", "swift_bridgeObject", "_beginAccess",
    ]
    for name in ["hotLoopAppend", "hotLoopPoll"] {
      // The mode 'latest' keeps a table of topics and is not promised to be free of the heap.
      let lines = code.lines(of: name, except: "pollLatest")
      #expect(lines.count > 20, "\(name) was not found")
      let found = lines.filter { line in banned.contains { line.contains($0) } }
      #expect(found.isEmpty, "\(name): \(found)")
      print("machine code: \(name) has \(lines.count) lines, no reference counts")
    }
    let control = code.lines(of: "hotLoopControl")
    #expect(control.contains { $0.contains("swift_retain") || $0.contains("swift_release") })
  }

  private struct MachineCode {
    let text: [Substring]

    /// The lines of all symbols whose name contains `name` and not `other`.
    func lines(of name: String, except other: String = "\n") -> [Substring] {
      var found: [Substring] = []
      var isInside = false
      for line in text {
        if line.hasSuffix(">:") { isInside = line.contains(name) && !line.contains(other) }
        if isInside { found.append(line) }
      }
      return found
    }
  }

  private static func machineCode() throws -> MachineCode? {
    guard FileManager.default.isExecutableFile(atPath: "/usr/bin/objdump") else { return nil }
    // Only the symbols in question: the whole program would be hundreds of megabytes of text.
    let program = try #require(CommandLine.arguments.first.map { _ in ownPath() })
    let table = try Child.run("/usr/bin/objdump", ["-t", program], timeout: .seconds(60))
    var text: [Substring] = []
    for line in table.stdout.split(separator: "\n") where line.contains("hotLoop") {
      guard let symbol = line.split(separator: " ").last else { continue }
      let part = try Child.run(
        "/usr/bin/objdump", ["-d", "--no-show-raw-insn", "--disassemble=\(symbol)", program],
        timeout: .seconds(120))
      text += part.stdout.split(separator: "\n")
    }
    return MachineCode(text: text)
  }

  private static func ownPath() -> String {
    (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
  }
}
