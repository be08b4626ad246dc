import BusTestSupport
import Foundation
import ProcessSupport
import Testing

/// The commands of bcs against a real router.
@Suite("bcs with a router", .serialized)
struct WithRouterTests {
  @Test("what is published is shown, with templates filled in and headers")
  func publishAndSubscribe() throws {
    let dir = try TemporaryDirectory("cli")
    let bus = try CLIBus(dir.path)
    let reader = try bus.subscriber("alerts.>", "--count", "3")
    let result = try bus.run(
      "pub", "alerts.disk", "full {{count}} {{random 4}}!", "--template", "--count", "3", "--name",
      "writer")
    #expect(result.succeeded)
    #expect(result.stdout == "published 3 messages, 36 bytes, on alerts.disk\n")
    let read = try reader.wait(timeout: .seconds(20))
    #expect(read.succeeded)
    for number in 1...3 {
      #expect(read.stdout.contains("[writer/alerts:\(number - 1)] alerts.disk at 2"))
      #expect(read.stdout.contains("\nfull \(number) "))
    }
    #expect(read.stderr.contains("received 3 lost 0"))
    #expect(try bus.end() == .code(0))
    #expect(try FileManager.default.contentsOfDirectory(atPath: dir.path) == ["router.lock"])
  }

  @Test("JSON lines have stable names, and bytes that are no text come as base64")
  func json() throws {
    let dir = try TemporaryDirectory("cli")
    let bus = try CLIBus(dir.path)
    let reader = try bus.subscriber("data.>", "--json", "--count", "2", "--name", "reader")
    let text = try bus.run(
      "pub", "data.text", "--json", "--name", "p", input: .bytes(Array("a\"b".utf8)))
    let line = try #require(try jsonLines(text.stdout).first)
    #expect(line["topic"] as? String == "data.text")
    #expect(line["messages"] as? Int == 1)
    #expect(line["bytes"] as? Int == 3)
    _ = try bus.run("pub", "data.bytes", "--name", "p", input: .bytes([0xFF, 0x00, 0x80]))
    let read = try reader.wait(timeout: .seconds(20))
    let messages = try jsonLines(read.stdout)
    try #require(messages.count == 2)
    #expect(messages[0]["payload"] as? String == "a\"b")
    #expect(messages[0]["encoding"] as? String == "text")
    #expect(messages[0]["publisher"] as? String == "p")
    #expect(messages[0]["gap"] as? Int == 0)
    #expect(messages[1]["payload"] as? String == "/wCA")
    #expect(messages[1]["encoding"] as? String == "base64")
    #expect(try jsonLines(read.stderr).last?["received"] as? Int == 2)
  }

  @Test("a file in parts comes out of --raw byte for byte")
  func rawParts() throws {
    let dir = try TemporaryDirectory("cli")
    let bus = try CLIBus(dir.file("run"))
    let bytes = Data((0..<300_000).map { UInt8(truncatingIfNeeded: ($0 &* 31) >> 3) })
    try bytes.write(to: URL(fileURLWithPath: dir.file("in")))
    let out = dir.file("out")
    let bcs = try Programs.path("bcs")
    let reader = try Child.start(
      "/bin/sh",
      ["-c", "exec \(bcs) sub blob --raw --lossless --count 1 --dir \(bus.directory) > \(out)"])
    while reader.isRunning, !reader.stderrSoFar.contains("subscribed to") { breathe() }
    let result = try bus.run("pub", "blob", "--file", dir.file("in"), "--chunk", "64K", "--json")
    #expect(try jsonLines(result.stdout).first?["parts"] as? Int == 5)
    #expect(try reader.wait(timeout: .seconds(20)).succeeded)
    #expect(try Data(contentsOf: URL(fileURLWithPath: out)) == bytes)
  }

  @Test("each line of standard input is a message")
  func lines() throws {
    let dir = try TemporaryDirectory("cli")
    let bus = try CLIBus(dir.path)
    let reader = try bus.subscriber("log", "--raw", "--count", "3")
    let result = try bus.run(
      "pub", "log", "--stdin-lines", "--raw", input: .bytes(Array("one\ntwo {{x}}\nlast".utf8)))
    #expect(result.stdout.contains("published 3 messages"))
    #expect(try reader.wait(timeout: .seconds(20)).stdout == "onetwo {{x}}last")
  }

  @Test("agents and channels are listed and shown")
  func listings() throws {
    let dir = try TemporaryDirectory("cli")
    let bus = try CLIBus(dir.path)
    let reader = try bus.subscriber("news.>", "--lossless", "--name", "reader")
    let writer = try bus.start("pub", "news.now", "--stdin-lines", "--name", "writer", input: .pipe)
    writer.send("hello\n")
    try reader.waitForLine(containing: "news.now", timeout: .seconds(20))
    let agents = try jsonLines(try bus.run("agent", "list", "--json").stdout)
    let row = try #require(agents.first { $0["name"] as? String == "reader" })
    #expect(row["pid"] as? Int == Int(reader.pid))
    #expect(row["subscriptions"] as? Int == 1)
    let channels = try jsonLines(try bus.run("channel", "--json").stdout)
    let channel = try #require(channels.first { $0["channel"] as? String == "news" })
    #expect(channel["publisher"] as? String == "writer")
    #expect(channel["readers"] as? Int == 1)
    #expect(channel["messages"] as? Int == 1)
    let shown = try bus.run("channel", "show", "news")
    #expect(shown.stdout.contains("CHANNEL") && shown.stdout.contains("lossless"))
    #expect(try bus.run("agent", "show", "reader").stdout.contains("news.>"))
    #expect(!shown.stdout.contains("\u{1B}"))
    #expect(try bus.run("agent", "show", "nobody").exit == .code(1))
    #expect(try bus.run("channel", "show", "nothing").exit == .code(1))
    writer.closeInput()
    #expect(try writer.wait(timeout: .seconds(20)).succeeded)
  }

  @Test("a stopped reader is shown as behind, one that caught up as not")
  func behind() throws {
    let dir = try TemporaryDirectory("cli")
    let bus = try CLIBus(dir.path)
    let reader = try bus.subscriber("news", "--lossless", "--name", "reader")
    let writer = try bus.start("pub", "news", "--stdin-lines", "--name", "writer", input: .pipe)
    writer.send("first\n")
    try reader.waitForLine(containing: "first", timeout: .seconds(20))
    func shown() throws -> [String: Any] {
      let rows = try jsonLines(try bus.run("channel", "show", "news", "--json").stdout)
      return try #require(rows.first { $0["kind"] as? String == "reader" })
    }
    func until(_ isTrue: ([String: Any]) -> Bool) throws {
      let watchdog = Date() + 20
      while try !isTrue(shown()) {
        guard Date() < watchdog else {
          Issue.record("never shown: \(try shown())")
          return
        }
        breathe()
      }
    }
    try until { $0["behind_bytes"] as? Int == 0 && $0["received"] as? Int == 1 }
    #expect(reader.stop())
    for number in 0..<10 { writer.send("line \(number)\n") }
    try until { ($0["behind_bytes"] as? Int ?? 0) >= 640 }
    let table = try bus.run("channel", "show", "news").stdout
    for title in ["BEHIND", "RECEIVED", "LOST"] { #expect(table.contains(title)) }
    reader.signal(SIGCONT)
    try until { $0["behind_bytes"] as? Int == 0 && $0["received"] as? Int == 11 }
    #expect(try shown()["gaps"] as? Int == 0)
    writer.closeInput()
    #expect(try writer.wait(timeout: .seconds(20)).succeeded)
    reader.kill()
  }

  @Test("waiting for a reader ends with 4 when none comes; so does a subscription")
  func timeouts() throws {
    let dir = try TemporaryDirectory("cli")
    let bus = try CLIBus(dir.path)
    let alone = try bus.run("pub", "a", "x", "--wait-for-reader", "--timeout", "0.3")
    #expect(alone.exit == .code(4))
    #expect(alone.stderr.contains("Nobody reads a"))
    let silent = try bus.run("sub", "a", "--count", "1", "--timeout", "0.3")
    #expect(silent.exit == .code(4))
    #expect(try bus.run("sub", "a", "--timeout", "0.3").exit == .code(0))
    let reader = try bus.subscriber("a", "--count", "1")
    #expect(try bus.run("pub", "a", "x", "--wait-for-reader").succeeded)
    #expect(try reader.wait(timeout: .seconds(20)).succeeded)
  }

  @Test("a reader that has only been told of a stream is waited for until it has joined")
  func announced() throws {
    try Watchdog.bounding("a reader that has not joined", seconds: 120) {
      let dir = try TemporaryDirectory("cli")
      let bus = try CLIBus(dir.path)
      let reader = try bus.subscriber("a", "--count", "1")
      #expect(reader.stop())
      let early = try bus.run("pub", "a", "early", "--wait-for-reader", "--timeout", "0.5")
      #expect(early.exit == .code(4) && early.stderr.contains("Nobody reads a"), "\(early)")
      let writer = try bus.start("pub", "a", "late", "--wait-for-reader", "--timeout", "60")
      while writer.isRunning, try !bus.run("channel").stdout.contains("cli.pub") { breathe() }
      reader.signal(SIGCONT)
      #expect(try writer.wait(timeout: .seconds(60)).succeeded)
      let read = try reader.wait(timeout: .seconds(60))
      #expect(read.succeeded && read.stdout.contains("late"), "\(read)")
    }
  }

  @Test("a repeated listing goes on until it is interrupted")
  func watch() throws {
    let dir = try TemporaryDirectory("cli")
    let bus = try CLIBus(dir.path)
    let child = try bus.start("agent", "--json", "--watch", "0.1", "--name", "watcher")
    for _ in 0..<3 { try child.waitForLine(containing: "\"watcher\"", timeout: .seconds(10)) }
    child.signal(SIGINT)
    #expect(try child.wait(timeout: .seconds(10)).exit == .code(130))
  }
}
