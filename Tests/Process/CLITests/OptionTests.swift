import BusTestSupport
import Foundation
import ProcessSupport
import Testing

/// The options that commands share, and what a shell completes.
@Suite("bcs options and completions", .serialized)
struct OptionTests {
  private static let commands = [
    ["up"], ["pub"], ["sub"], ["req"], ["reply"], ["tell"], ["listen"], ["trace"], ["why"],
    ["agent", "list"], ["agent", "show"], ["channel", "list"], ["channel", "show"], ["top"],
    ["stat"], ["metrics"], ["doctor"], ["errors"], ["check", "files"], ["check", "lossy"],
    ["check", "kill"], ["check", "evict"], ["check", "policy"], ["bench", "latency"],
    ["bench", "request"], ["bench", "start"], ["bench", "idle"], ["bench", "alltoall"],
  ]

  @Test("an option that has a short form has it with every command", arguments: commands)
  func shortForms(command: [String]) throws {
    let help = try Child.run(try Programs.path("bcs"), command + ["--help"]).stdout
    let forms = [
      "-c": "--count", "-t": "--timeout", "-r": "--raw", "-j": "--json", "-q": "--quiet",
    ]
    for line in help.split(separator: "\n") where line.hasPrefix("  -") {
      for (short, long) in forms where line.split(separator: " ").prefix(2).contains("\(long)") {
        #expect(line.hasPrefix("  \(short), \(long)"), "\(line)")
      }
    }
    let isQuiet = help.contains("--log-level") == help.contains("-q, --quiet")
    #expect(isQuiet && help.contains("--help"))
  }

  @Test("a quiet command says nothing but errors")
  func quiet() throws {
    let dir = try TemporaryDirectory("options")
    let bus = try CLIBus(dir.path)
    let quiet = try bus.run("sub", "a", "-q", "-t", "0.1")
    #expect(quiet.succeeded && quiet.stderr.isEmpty && quiet.stdout.isEmpty)
    let failed = try bus.run("req", "nobody", "x", "-q")
    #expect(failed.exit == .code(3) && failed.stderr.contains("NO_RESPONDERS"))
  }

  @Test(
    "a wrong call of bcs up names bcs, not the router it would have become",
    arguments: [
      ["--arena", "1X"], ["--arena", "4K"], ["--log-first", "5000"], ["--stall", "never"],
      ["--grace", "61"], ["--log-first", "8M", "--log-most", "4M"],
    ])
  func usage(words: [String]) throws {
    let dir = try TemporaryDirectory("options")
    let result = try Child.run(
      try Programs.path("bcs"), ["up", "--dir", dir.file("run")] + words, timeout: .seconds(20))
    #expect(result.exit == .code(64))
    #expect(result.stderr.contains("bcs up"))
    #expect(result.stderr.contains(words[0]))
    #expect(!result.stderr.contains("msg_router"))
  }

  @Test("the help of bcs up shows defaults that it takes")
  func defaults() throws {
    let help = try Child.run(try Programs.path("bcs"), ["up", "--help"], timeout: .seconds(20))
    #expect(help.stdout.contains("(default: 1G)"))
    let dir = try TemporaryDirectory("options")
    let bus = try CLIBus(dir.path, ["--arena", "1GiB"])
    #expect(try bus.end() == .code(0))
  }

  /// What bash would offer for the last of some words.
  private static func offered(_ words: [String]) throws -> Set<String> {
    let bcs = try Programs.path("bcs")
    let script = """
      source <("$0" completions bash)
      COMP_WORDS=("$0" "$@"); COMP_CWORD=$#; COMP_LINE="${COMP_WORDS[*]}"
      COMP_POINT=${#COMP_LINE}
      _bcs "$0" "${@: -1}" "x" 2>&1
      printf '%s\\n' "${COMPREPLY[@]}"
      """
    let result = try Child.run("bash", ["-c", script, bcs] + words)
    return Set(result.stdout.split(separator: "\n").map(String.init))
  }

  @Test("a shell completes the names that are there, and runs none of them")
  func names() throws {
    let dir = try TemporaryDirectory("options")
    let bus = try CLIBus(dir.path)
    let mark = dir.file("mark")
    let trap = "$(touch${IFS}\(mark))"
    let echo = try bus.start("reply", "math.add", "--echo", "--name", "adder")
    let member = try bus.start("listen", "--name", "member", "--team", "reviewers")
    let evil = try bus.start("reply", trap, "--echo", "--name", "evil")
    let reader = try bus.subscriber("alerts", "--name", "reader")
    let children = [echo, member, evil, reader]
    defer { children.forEach { $0.kill() } }
    for child in [echo, evil] {
      while child.isRunning, !child.stderrSoFar.contains("answering") { breathe() }
    }
    while member.isRunning, !member.stderrSoFar.contains("listening") { breathe() }
    let there = ["--dir", dir.path, ""]
    #expect(evil.isRunning)
    #expect(
      try Self.offered(["req"] + there) == ["adder", "evil", "math.add", "member", "reader"])
    #expect(try Self.offered(["tell"] + there).isSuperset(of: ["reviewers", "member"]))
    #expect(try Self.offered(["sub"] + there) == ["alerts"])
    #expect(try Self.offered(["agent", "show", "--dir=\(dir.path)", "re"]) == ["reader"])
    #expect(!FileManager.default.fileExists(atPath: mark), "a name was run")
    try bus.killRouter()
    #expect(try Self.offered(["req"] + there) == [])
  }
}
