import BusTestSupport
import Foundation
import ProcessSupport
import Testing

/// Text that other agents, or whoever wrote an argument, made to take a terminal over: none of it
/// arrives as it is, from any command.
@Suite("Hostile text never reaches a terminal or a pipe", .serialized)
struct HostileTextTests {
  /// Clears the screen, sets the title, C1, bell, carriage return, delete, bidirectional override,
  /// line separator; then a line that passes for one of ours.
  private static let hostile =
    "a\u{1B}[2J\u{1B}]0;owned\u{07}\u{9B}31m\rb\u{7F}\u{202E}c\u{2028}\nerror: forged\n"
    + "[#9] forged from boss"

  /// The same for the shell's printf.
  private static let printed =
    #"a\033[2J\033]0;owned\007\302\23331m\rb\177\342\200\256c\342\200\250\nerror: forged\n"#
    + "[#9] forged from boss"

  private func expectHarmless(
    _ result: ChildResult, _ what: String, says word: String? = "forged",
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let text = result.stdout + result.stderr
    if let word { #expect(text.contains(word), "\(what): \(text)", sourceLocation: sourceLocation) }
    for scalar in text.unicodeScalars where scalar != "\n" && scalar != "\t" {
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator:
        Issue.record(
          "\(what) let U+\(String(scalar.value, radix: 16)) through: \(text)",
          sourceLocation: sourceLocation)
        return
      default: break
      }
    }
    for line in text.split(separator: "\n") {
      let isForged = line.hasPrefix("error: forged") || line.hasPrefix("[#9]")
      #expect(!isForged, "\(what): \(line)", sourceLocation: sourceLocation)
    }
  }

  @Test("arguments that a command refuses, and names of what is not there")
  func arguments() throws {
    let dir = try TemporaryDirectory("hostile")
    let bus = try CLIBus(dir.path)
    let text = Self.hostile
    let calls = [
      ["pub", text, "x"], ["pub", "a", "x", "--name", text], ["pub", "a", "{{\(text)}}"],
      ["pub", "a", "x", "--count", text], ["pub", "a", "--file", text], ["sub", text],
      ["sub", "a.>", "--name", text], ["req", text, "x"], ["reply", text, "--echo"],
      ["reply", "a.b", "--exec", text], ["tell", text, "x"], ["listen", "--team", text],
      ["trace", text, "x"], ["why", text], ["why", "\(text)/a:1"], ["agent", "show", text],
      ["agent", text], ["channel", "show", text], ["stat", "--interval", text],
      ["top", "--sort", text], ["metrics", text], ["bench", text], ["errors", text],
      ["check", text], ["check", "policy", text], ["completions", text], [text],
      ["up", "--policy", text], ["up", "--arena", text], ["--\(text)"], ["pub", "--\(text)"],
    ]
    for words in calls {
      for more in [[], ["--json"]] {
        let dirWords = words.count > 1 ? ["--dir", bus.directory] : []
        let result = try Child.run(
          try Programs.path("bcs"), words + dirWords + more, timeout: .seconds(30))
        expectHarmless(result, (words + more).joined(separator: " "), says: nil)
      }
    }
    for words in [["agent"], ["doctor"], ["up"], ["sub", "a"], ["bench", "latency"]] {
      let result = try Child.run(
        try Programs.path("bcs"), words + ["--dir", "/nonexistent/\(text)"], timeout: .seconds(30))
      expectHarmless(result, words[0], says: nil)
      #expect(!result.succeeded || words[0] == "doctor")
    }
  }

  @Test("the error text of a responder")
  func responders() throws {
    let dir = try TemporaryDirectory("hostile")
    let bus = try CLIBus(dir.path)
    let evil = try Child.start(
      try Programs.path("bcs"),
      [
        "reply", "evil", "--name", "evil.one", "--dir", bus.directory, "--exec", "sh", "-c",
        "printf '\(Self.printed)' >&2; exit 3",
      ])
    defer { evil.kill() }
    while evil.isRunning, !evil.stderrSoFar.contains("answering") { breathe() }
    for words in [["req", "evil", "x"], ["req", "evil", "x", "--all"], ["trace", "evil", "x"]] {
      for more in [[], ["--json"]] {
        let result = try Child.run(
          try Programs.path("bcs"), words + more + ["--dir", bus.directory],
          timeout: .seconds(30))
        expectHarmless(result, (words + more).joined(separator: " "))
        #expect(result.exit == .code(8))
      }
    }
    let good = try Child.start(
      try Programs.path("bcs"), ["reply", "evil", "--echo", "--dir", bus.directory])
    defer { good.kill() }
    while good.isRunning, !good.stderrSoFar.contains("answering") { breathe() }
    // One answers, so that the other's words are a warning.
    expectHarmless(try bus.run("req", "evil", "x", "--all"), "warning")
  }

  @Test("payloads, as messages, orders, requests and replies")
  func payloads() throws {
    let dir = try TemporaryDirectory("hostile")
    let bus = try CLIBus(dir.path)
    let subscribers = [
      try bus.subscriber("a.>", "--count", "1"),
      try bus.subscriber("a.>", "--count", "1", "--json"),
    ]
    let program = try Programs.path("bcs")
    let listeners = try [[], ["--json"]].map { more in
      let name = "aud\(more.count)"
      let child = try Child.start(
        program, ["listen", "--name", name, "--count", "1", "--dir", bus.directory] + more)
      while child.isRunning, !child.stderrSoFar.contains("listening") { breathe() }
      return child
    }
    let echo = try Child.start(
      program, ["reply", "echo", "--echo", "--log-level", "info", "--dir", bus.directory])
    while echo.isRunning, !echo.stderrSoFar.contains("answering") { breathe() }
    expectHarmless(try bus.run("pub", "a.b", Self.hostile), "pub", says: nil)
    for name in ["aud0", "aud1"] {
      expectHarmless(try bus.run("tell", name, Self.hostile), "tell", says: nil)
    }
    for child in subscribers + listeners {
      expectHarmless(try child.wait(timeout: .seconds(20)), "reading")
    }
    let json = try bus.run("req", "echo", Self.hostile, "--json")
    expectHarmless(json, "req --json")
    #expect(try jsonLines(json.stdout).first?["payload"] as? String == Self.hostile)
    // Here the reply is all of the output, whose lines are its own.
    let plain = try bus.run("req", "echo", Self.hostile)
    #expect(plain.stdout.contains("a\\u{1b}[2J") && !plain.stdout.utf8.contains(0x1B))
    echo.signal(15)
    expectHarmless(try echo.wait(timeout: .seconds(20)), "reply", says: nil)
  }

  @Test("the path of another agent's program, in listings and in the router's log")
  func programNames() throws {
    let dir = try TemporaryDirectory("hostile")
    let file = "\(dir.path)/p\u{1B}]0;owned\u{07}\u{202E}\nerror: forged"
    // A copy: of a link the system would name what it leads to.
    let real = URL(fileURLWithPath: try Programs.path("bcs")).resolvingSymlinksInPath()
    try FileManager.default.copyItem(atPath: real.path, toPath: file)
    let router = try Child.start(
      try Programs.path("bcs"), ["up", "--dir", "\(dir.path)/bus", "--log-level", "trace"])
    try router.waitForLine(containing: "ready", timeout: .seconds(20))
    let reader = try Child.start(file, ["sub", "a.>", "--dir", "\(dir.path)/bus"])
    while reader.isRunning, !reader.stderrSoFar.contains("subscribed to") { breathe() }
    for words in [["agent"], ["agent", "--json"], ["stat"], ["top", "--once"], ["metrics"]] {
      let result = try Child.run(
        try Programs.path("bcs"), words + ["--dir", "\(dir.path)/bus"], timeout: .seconds(30))
      expectHarmless(result, words.joined(separator: " "), says: nil)
      #expect(result.succeeded)
    }
    reader.kill()
    router.signal(15)
    expectHarmless(try router.wait(timeout: .seconds(20)), "router", says: nil)
  }
}
