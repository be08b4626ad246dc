import BinaryComm
import BusTestSupport
import BusWire
import Foundation
import ProcessSupport
import Testing

/// Bodies and replies in parts: all of one is shown, or the command says that it is not all.
@Suite("bcs and what comes in parts", .serialized)
struct PartTests {
  private func responder(_ bus: CLIBus, _ words: String...) throws -> Child {
    let child = try Child.start(
      try Programs.path("bcs"), ["reply", words[0], "--dir", bus.directory] + words.dropFirst())
    while child.isRunning, !child.stderrSoFar.contains("answering") { breathe() }
    return child
  }

  @Test("a plain request shows every part of its reply, in each form")
  func reply() throws {
    let dir = try TemporaryDirectory("parts")
    let bus = try CLIBus(dir.path)
    let service = try responder(bus, "seq", "--lines", "--exec", "seq", "3")
    defer { service.kill() }
    #expect(try bus.run("req", "seq", "x").stdout == "1\n2\n3\n")
    #expect(try bus.run("req", "seq", "x", "--raw").stdout == "123")
    #expect(try bus.run("req", "seq", "x", "--first").stdout == "1\n2\n3\n")
    #expect(try bus.run("req", "seq", "x", "--stream", "--first").stdout == "1\n2\n3\n")
    for form in [[], ["--all"], ["--stream"]] {
      let result = try Child.run(
        try Programs.path("bcs"),
        ["req", "seq", "x", "--json", "--dir", bus.directory] + form, timeout: .seconds(30))
      let lines = try jsonLines(result.stdout)
      #expect(lines.map { $0["payload"] as? String } == ["1", "2", "3", ""], "\(form)")
      #expect(lines.map { $0["last"] as? Bool } == [false, false, false, true], "\(form)")
    }
    let trace = try jsonLines(try bus.run("trace", "seq", "x", "--json").stdout)
    #expect(trace.first?["reply_parts"] as? Int == 4)
    #expect(trace.first?["reply_bytes"] as? Int == 3)
  }

  @Test("each line of standard input is a request, and each reply one line in the same order")
  func lines() throws {
    let dir = try TemporaryDirectory("parts")
    let bus = try CLIBus(dir.path)
    let upper = try responder(
      bus, "upper", "--lines", "--exec", "sh", "-c",
      "read w; test $w = bad && exit 3; echo $w; printf $w | tr a-z A-Z")
    defer { upper.kill() }
    let input = ChildInput.bytes(Array("a\nbad\nc\n".utf8))
    let text = try bus.run("req", "upper", "--stdin-lines", input: input)
    #expect(text.stdout == "a\\nA\n\nc\\nC\n")
    #expect(text.exit == .code(8) && text.stderr.contains("line 2: "))
    #expect(text.stderr.contains("1 of 3 requests failed"))
    let json = try bus.run("req", "upper", "--stdin-lines", "--json", input: input)
    let rows = try jsonLines(json.stdout)
    #expect(rows.map { $0["line"] as? Int } == [1, 1, 2, 3, 3])
    #expect(rows.first { $0["line"] as? Int == 2 }?["exit"] as? Int == 8)
  }

  @Test("what a responder says of a request that was stopped is not the failure of the next line")
  func lateEnd() throws {
    try Watchdog.bounding("lines to the first of two", seconds: 120) {
      let dir = try TemporaryDirectory("parts")
      let bus = try CLIBus(dir.path)
      let fast = try responder(
        bus, "svc", "--name", "fast", "--exec", "sh", "-c",
        "read x; test $x = good && exec echo ok; sleep 1; exit 3")
      let slow = try responder(
        bus, "svc", "--name", "slow", "--exec", "sh", "-c", "read x; sleep 3; exit 3")
      defer { [fast, slow].forEach { $0.kill() } }
      let asked = try bus.run(
        "req", "svc", "--first", "--stdin-lines", "--json",
        input: .bytes(Array("good\nbad\n".utf8)))
      let rows = try jsonLines(asked.stdout)
      #expect(rows.map { $0["line"] as? Int } == [1, 2], "\(asked)")
      #expect(rows.last?["exit"] as? Int == 8 && !asked.stderr.contains("CANCELLED"), "\(asked)")
    }
  }

  @Test("requests that failed are told to a pipeline whose reader has had enough")
  func head() throws {
    try Watchdog.bounding("replies that nobody reads any more", seconds: 120) {
      let dir = try TemporaryDirectory("parts")
      let bus = try CLIBus(dir.path)
      let echo = try responder(bus, "echo", "--echo")
      defer { echo.kill() }
      let bcs = try Programs.path("bcs")
      func status(_ service: String) throws -> String {
        let line =
          "(echo a; sleep 1; seq 1 100) | \(bcs) req \(service) --stdin-lines --dir \(dir.path) "
          + "2>/dev/null | head -1 > /dev/null; echo ${PIPESTATUS[1]}"
        return try Child.run("/bin/bash", ["-c", line], timeout: .seconds(60)).stdout
      }
      #expect(try status("echo") == "0\n")
      #expect(try status("nobody") == "3\n")
    }
  }

  @Test("the examples of the help texts together give the whole file")
  func whole() throws {
    let dir = try TemporaryDirectory("parts")
    let bus = try CLIBus(dir.file("run"))
    let bytes = Data((0..<1_000_000).map { UInt8(truncatingIfNeeded: ($0 &* 31) >> 3) })
    try bytes.write(to: URL(fileURLWithPath: dir.file("in")))
    let bin = try Programs.path("bcs").dropLast("/bcs".count)
    let environment = ["PATH": "\(bin):/usr/bin:/bin", "BCS_DIR": bus.directory]
    let reader = try Child.start(
      "/bin/sh", ["-c", "exec " + (try example(of: "sub", with: "--raw"))],
      environment: environment, directory: dir.path)
    while reader.isRunning, !reader.stderrSoFar.contains("subscribed to") { breathe() }
    let call = try example(of: "pub", with: "--chunk").replacingOccurrences(
      of: "photo.jpg", with: dir.file("in"))
    #expect(try Child.run("/bin/sh", ["-c", call], environment: environment).succeeded)
    let result = try reader.wait(timeout: .seconds(20))
    #expect(result.succeeded && result.stderr.contains("received 1 lost 0"))
    #expect(try Data(contentsOf: URL(fileURLWithPath: dir.file("photo.jpg"))) == bytes)
  }

  /// A line of the examples of a command's help.
  private func example(of command: String, with option: String) throws -> String {
    let help = try runCLI(command, "--help").stdout.split(separator: "\n")
    let line = try #require(help.first { $0.contains("bcs \(command) ") && $0.contains(option) })
    return line.trimmingCharacters(in: .whitespaces)
  }

  /// How a body in parts can be incomplete.
  struct Cut: Sendable {
    let options: [String]
    /// The flags of the messages that come.
    let flags: [MessageFlags]
  }

  private static let cuts: [Cut] = [
    Cut(options: ["--timeout", "1"], flags: [.more]),
    Cut(options: ["--count", "1"], flags: [.lastPart]),
    Cut(options: ["--latest", "--timeout", "1"], flags: [.more, .lastPart]),
    Cut(options: ["--count", "1"], flags: [.more, []]),
    Cut(options: ["--count", "1", "--raw"], flags: [.more, []]),
  ]

  @Test("a body of which parts are missing is called cut, and ends with 1", arguments: cuts)
  func cut(_ cut: Cut) throws {
    let dir = try TemporaryDirectory("parts")
    let bus = try CLIBus(dir.path)
    let reader = try Child.start(
      try Programs.path("bcs"), ["sub", "t", "--dir", bus.directory] + cut.options)
    while reader.isRunning, !reader.stderrSoFar.contains("subscribed to") { breathe() }
    let agent = try Bus.connect(to: bus.directory).register("writer")
    defer { agent.close() }
    var publisher = try agent.publisher(on: "t")
    for flags in cut.flags { try publish("1", flags, &publisher) }
    let result = try reader.wait(timeout: .seconds(30))
    #expect(result.exit == .code(1) && result.stderr.contains("not complete"))
    #expect(result.stderr.contains("cut 1"))
  }

  private func publish(
    _ text: String, _ flags: MessageFlags, _ publisher: inout Publisher, on topic: String = "t"
  ) throws {
    let topic = try publisher.topic(topic)
    let bytes = Array(text.utf8)
    try publisher.publish(publisher.handle(topic, flags: flags), unsafe bytes.span.bytes)
  }

  @Test("of bodies that one publisher has begun, those beyond what is followed are called cut")
  func manyBegun() throws {
    let dir = try TemporaryDirectory("parts")
    let bus = try CLIBus(dir.path)
    let reader = try bus.subscriber("t.>", "--lossless", "--count", "300")
    let agent = try Bus.connect(to: bus.directory).register("writer")
    defer { agent.close() }
    var publisher = try agent.publisher(on: "t")
    for flags in [MessageFlags.more, .lastPart] {
      for number in 0..<300 { try publish("1", flags, &publisher, on: "t.\(number)") }
    }
    let result = try reader.wait(timeout: .seconds(30))
    #expect(result.exit == .code(1) && result.stderr.contains("cut 44"), "\(result.stderr)")
  }

  @Test("bodies of two publishers that are mixed in raw output are called cut")
  func mixed() throws {
    let dir = try TemporaryDirectory("parts")
    let bus = try CLIBus(dir.path)
    let raw = try bus.subscriber("t", "--raw", "--count", "2")
    let json = try bus.subscriber("t", "--json", "--count", "2")
    let agents = try ["one", "two"].map { try Bus.connect(to: bus.directory).register($0) }
    defer { for agent in agents { agent.close() } }
    var one = try agents[0].publisher(on: "t")
    var two = try agents[1].publisher(on: "t")
    try publish("1", .more, &one)
    while !raw.stdoutSoFar.contains("1") { breathe() }
    try publish("2", .more, &two)
    try publish("3", .lastPart, &two)
    while !raw.stdoutSoFar.contains("3") { breathe() }
    try publish("4", .lastPart, &one)
    let result = try raw.wait(timeout: .seconds(30))
    #expect(result.exit == .code(1) && result.stderr.contains("mixed"))
    // There each part has its publisher beside it.
    #expect(try json.wait(timeout: .seconds(30)).succeeded)
  }
}
