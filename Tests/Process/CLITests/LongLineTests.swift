import BusTestSupport
import BusWire
import ProcessSupport
import Testing

/// Lines of standard input that are longer than a message may be, and do not end.
@Suite("bcs and lines without an end", .serialized)
struct LongLineTests {
  private static let long = String(repeating: "x", count: WireLimit.payloadBytesMax + 1)

  @Test("bcs pub fails at a line that is too long before it has ended, and says what it published")
  func pub() throws {
    try Watchdog.bounding("a line without an end", seconds: 120) {
      let dir = try TemporaryDirectory("lines")
      let bus = try CLIBus(dir.path)
      let writer = try bus.start("pub", "a", "--stdin-lines", input: .pipe)
      writer.send("one\n")
      writer.send(Self.long)
      let result = try writer.wait(timeout: .seconds(60))
      #expect(result.exit == .code(1) && result.stderr.contains("Line 2 of the input"), "\(result)")
      #expect(result.stdout.contains("published 1 message"), "\(result)")
    }
  }

  @Test("bcs req passes over such a line, whose reply is the error, and goes on behind it")
  func req() throws {
    try Watchdog.bounding("a request without an end", seconds: 120) {
      let dir = try TemporaryDirectory("lines")
      let bus = try CLIBus(dir.path)
      let service = try bus.start("reply", "s", "--echo")
      defer { service.kill() }
      while service.isRunning, !service.stderrSoFar.contains("answering") { breathe() }
      let asking = try bus.start("req", "s", "--stdin-lines", input: .pipe)
      asking.send("one\n")
      asking.send(Self.long)
      while asking.isRunning, !asking.stderrSoFar.contains("line 2: ") { breathe() }
      asking.send("rest\nthree\n\(Self.long)\n")
      asking.send("five")
      asking.closeInput()
      let result = try asking.wait(timeout: .seconds(60))
      #expect(result.exit == .code(1), "\(result.exit)")
      #expect(result.stdout == "one\n\nthree\n\nfive\n")
      #expect(result.stderr.contains("2 of 5 requests failed"), "\(result.stderr)")
    }
  }
}
