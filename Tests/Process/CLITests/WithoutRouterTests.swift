import BusTestSupport
import BusWire
import Foundation
import ProcessSupport
import Testing

/// What bcs does without a router.
@Suite("bcs without a router", .serialized)
struct WithoutRouterTests {
  @Test("the version names the release and exits with 0")
  func version() throws {
    let result = try runCLI("--version")
    #expect(result.succeeded)
    #expect(result.stdout.hasPrefix("bcs 0."))
  }

  @Test("help lists every command")
  func help() throws {
    let result = try runCLI("--help")
    #expect(result.succeeded)
    for command in [
      "up", "pub", "sub", "req", "reply", "tell", "listen", "trace", "why", "agent", "channel",
      "top", "stat", "metrics", "bench", "doctor", "errors", "check", "completions",
    ] {
      #expect(result.stdout.contains("\n  \(command) "))
    }
    #expect(!result.stdout.contains("role-"))
  }

  @Test(
    "a wrong call exits with 64, says what is wrong and what to do",
    arguments: [
      (["pub", "a", "x", "--jsn"], "Did you mean '--json'?"),
      (["sbu"], "Did you mean 'sub'?"),
      (["agent", "shwo"], "bcs agent"),
      (["up", "--polcy", "x"], "Did you mean '--policy'?"),
      (["pub", "a..b", "x"], "Token 2 of the topic is empty"),
      (["pub", "a.*", "x"], "wildcard"),
      (["pub", String(repeating: "t", count: 128), "x"], "128 bytes"),
      (["pub", "a b", "x"], "a space"),
      (["sub", "a.>.b"], "put it last"),
      (["sub", String(repeating: "a.", count: 16) + "a"], "17 tokens"),
      (["pub", "a", "x", "--name", "a/b"], "letters, digits"),
      (["pub", "a", "x", "--name", "bcs.me"], "reserved"),
      (["pub", "a", "x", "--count", "0"], "--count is at least 1"),
      (["pub", "a", "x", "--rate", "2", "--sleep", "1"], "not both"),
      (["pub", "a", "x", "--file", "y"], "once"),
      (["pub", "a", "{{nothing}}", "--template"], "{{count}}"),
      (["pub", "a", "--file", "x", "--template"], "given as argument"),
      (["pub", "a", "-", "--template"], "given as argument"),
      (["pub", "a", "--stdin-lines", "--template"], "given as argument"),
      (["pub", "a", "--stdin-lines", "--count", "2"], "leave --count out"),
      (["pub", "a", "x", "--empty"], "not both"),
      (["pub", "a", "x", "--keep", "5"], "--keep goes with --blob"),
      (["req", "a", "x", "--keep", "5"], "--keep goes with --blob"),
      (["req", "a", "x", "--stdin-lines"], "leave the body"),
      (["req", "a", "--all", "--stdin-lines"], "--json"),
      (["req", "bad..name", "x"], "The service name 'bad..name'"),
      (["tell", "café", "x"], "The name 'café'"),
      (["reply", "a", "--echo", "--exec", "cat"], "not both"),
      (["reply", "a"], "--echo, or --exec"),
      (["reply", "a", "--exec", ""], "the word is empty"),
      (["reply", "a", "--exec", "/"], "it is no file"),
      (["sub", "a", "--line", "--json"], "not both"),
      (["sub", "a", "--raw", "--json"], "not both"),
      (["errors", "NO_ROUTR"], "NO_ROUTER"),
      (["completions", "tcsh"], "zsh"),
      (["check", "kill", "--dir", "x"], "leave --dir out"),
      (["pub", "--bogus"], "Unknown option '--bogus'"),
      (["sub", "--timeuot=3"], "Unknown option '--timeuot'"),
      (["pub", "a", "x", "--chunk", "0"], "such as 65536"),
      (["pub", "a", "x", "--rate", "0"], "a rate is from 1e-6"),
      (["up", "--arena", "lots"], "such as 65536"),
      (["pub", "a", "x", "--name", "a b"], "space is not allowed"),
      (["pub", "a", "x", "--name", String(repeating: "n", count: 300)], "n…' is refused"),
      (["agent", "--dir", ""], "--dir is empty"),
      (["up", "--dir", ""], "--dir is empty"),
      (["bench", "latency", "--dir", ""], "--dir is empty"),
    ])
  func usage(words: [String], hint: String) throws {
    let result = try Child.run(try Programs.path("bcs"), words, timeout: .seconds(20))
    #expect(result.exit == .code(64))
    #expect(result.stderr.contains("error"))
    #expect(result.stderr.contains(hint))
    #expect(result.stdout.isEmpty)
  }

  @Test("with --json an error is a JSON object")
  func jsonError() throws {
    let result = try runCLI("pub", "a..b", "x", "--json")
    #expect(result.exit == .code(64))
    let object = try #require(try jsonLines(result.stderr).first)
    #expect(object["error"] as? String == "USAGE")
    #expect(object["exit"] as? Int == 64)
    #expect((object["message"] as? String)?.contains("empty") == true)
  }

  @Test("a router that cannot start says why in one object, too", arguments: ["lock", "policy"])
  func routerError(way: String) throws {
    try Watchdog.bounding("an error of the router's start", seconds: 60) {
      let dir = try TemporaryDirectory("up")
      let wrong = dir.file("wrong.yaml")
      try "agents: 7\n".write(toFile: wrong, atomically: true, encoding: .utf8)
      try FileManager.default.createDirectory(
        atPath: dir.file("router.lock"), withIntermediateDirectories: false)
      let options = way == "policy" ? ["--policy", wrong] : []
      let result = try Child.run(
        try Programs.path("bcs"), ["up", "--json", "--dir", dir.path] + options)
      let told = try jsonLines(result.stderr)
      #expect(result.exit == .code(1) && told.count == 1, "\(result)")
      #expect(told.first?["error"] as? String == (way == "policy" ? "INVALID" : "FAILED"))
      let message = told.first?["message"] as? String ?? ""
      #expect(message.contains(way == "policy" ? "wrong.yaml" : dir.file("router.lock")))
      #expect(result.stderr.hasPrefix("{") && told.first?["exit"] as? Int == 1)
    }
  }

  @Test("without a router every command fails with 69 and says how to start one")
  func noRouter() throws {
    let dir = try TemporaryDirectory("none")
    let bcs = try Programs.path("bcs")
    // Side by side: each waits 5 s for a router.
    let children = try [["pub", "a", "x"], ["sub", "a"], ["agent"], ["channel", "--json"]].map {
      try Child.start(bcs, $0 + ["--dir", dir.path])
    }
    for child in children {
      let result = try child.wait(timeout: .seconds(30))
      #expect(result.exit == .code(69))
      #expect(result.stderr.contains("bcs up"))
    }
  }

  @Test("the error table has every code, and explains one by number or name")
  func errors() throws {
    let all = try jsonLines(try runCLI("errors", "--json").stdout)
    #expect(all.count == BusErrorCode.allCases.count)
    #expect(all.contains { $0["name"] as? String == "NO_ROUTER" && $0["exit"] as? Int == 69 })
    for word in ["3", "NO_ROUTER", "no-router"] {
      let one = try runCLI("errors", word)
      #expect(one.succeeded)
      #expect(one.stdout.contains("NO_ROUTER (code 3, exit code 69)"))
    }
  }

  @Test(
    "errors that only the program has are explained, too",
    arguments: [("USAGE", 64), ("usage", 64), ("INCOMPLETE", 1), ("UNSTABLE", 1), ("MISSING", 1)])
  func ownErrors(name: String, code: Int) throws {
    try Watchdog.bounding("errors of the program", seconds: 60) {
      let text = try runCLI("errors", name)
      #expect(text.succeeded && text.stdout.contains("exit code \(code), of bcs itself"))
      let row = try jsonLines(try runCLI("errors", name, "--json").stdout).first
      #expect(row?["name"] as? String == name.uppercased() && row?["exit"] as? Int == code)
      #expect((row?["remedy"] as? String)?.isEmpty == false)
      #expect(try runCLI("errors", "USAGEE").stderr.contains("Did you mean USAGE?"))
    }
  }

  @Test("completions come for three shells", arguments: ["bash", "zsh", "fish"])
  func completions(shell: String) throws {
    let result = try runCLI("completions", shell)
    #expect(result.succeeded)
    #expect(result.stdout.contains("bcs"))
    #expect(result.stdout.contains("doctor"))
  }

  @Test("the doctor reports the host, the run directory and the router")
  func doctor() throws {
    let dir = try TemporaryDirectory("doctor")
    let result = try runCLI("doctor", "--json", "--dir", dir.path)
    let items = try jsonLines(result.stdout)
    let names = items.compactMap { $0["item"] as? String }
    for name in ["bcs.version", "run.directory", "run.router", "kernel.release", "clock.tsc"] {
      #expect(names.contains(name))
    }
    let isMissing = items.contains { $0["verdict"] as? String == "missing" }
    #expect(result.exit == .code(isMissing ? 1 : 0))
    #expect(items.allSatisfy { ($0["meaning"] as? String)?.isEmpty == false })
  }

  @Test(
    "router and doctor refuse a run directory that is open to others, with the remedy",
    arguments: [0o777, 0o755, 0o750, 0o701])
  func openDirectory(mode: Int) throws {
    let dir = try TemporaryDirectory("open")
    let path = dir.file("run")
    try FileManager.default.createDirectory(
      atPath: path, withIntermediateDirectories: false)
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    let up = try runCLI("up", "--dir", path)
    #expect(up.exit == .code(1))
    #expect(up.stderr.contains("chmod 700"))
    let doctor = try runCLI("doctor", "--dir", path)
    #expect(doctor.exit == .code(1))
    #expect(doctor.stdout.contains("chmod 700"))
  }

  @Test("a policy with an unknown key is refused with its line; a good one is shown as rights")
  func policy() throws {
    let dir = try TemporaryDirectory("policy")
    let wrong = dir.file("wrong.yaml")
    try "agents:\n  - name: a\n    users: [0]\n    reed: [x]\n".write(
      toFile: wrong, atomically: true, encoding: .utf8)
    for words in [["check", "policy", wrong], ["up", "--dir", dir.file("d"), "--policy", wrong]] {
      let result = try Child.run(try Programs.path("bcs"), words, timeout: .seconds(20))
      #expect(result.exit == .code(1))
      #expect(result.stderr.contains("wrong.yaml:4"))
      #expect(result.stderr.contains("reed"))
    }
    let right = dir.file("right.yaml")
    try "agents:\n  - name: hub\n    users: [0]\n    read: [alerts.>]\n".write(
      toFile: right, atomically: true, encoding: .utf8)
    let rows = try jsonLines(try runCLI("check", "policy", right, "--json").stdout)
    #expect(rows.first?["agent"] as? String == "hub")
    #expect(rows.first?["read"] as? [String] == ["alerts.>"])
    #expect(try runCLI("check", "policy", dir.file("none.yaml")).exit == .code(1))
  }
}
