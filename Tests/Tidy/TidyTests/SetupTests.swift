import BusTestSupport
import Foundation
import Testing

/// `Scripts/setup.sh` on machines that lack something: each is a folder of small tools that answer
/// as that machine would.
@Suite("Setup installs what is missing and says what it cannot do")
struct SetupTests {
  @Test("With all in place nothing is installed and nobody has to be root")
  func complete() throws {
    let machine = try Machine(uid: 1000)
    let result = try machine.setUp()
    #expect(result.exit == .code(0), "\(result.stderr)")
    #expect(result.stdout == "")
    #expect(machine.installed() == "")
  }

  @Test("Root installs only what is missing")
  func missing() throws {
    let machine = try Machine(uid: 0, missing: ["libhwloc-dev", "git"])
    let result = try machine.setUp()
    #expect(result.exit == .code(0), "\(result.stderr)")
    #expect(
      machine.installed()
        == "update -q\ninstall -q -y --no-install-recommends libhwloc-dev git\n")
  }

  @Test("Others install through sudo")
  func sudo() throws {
    let machine = try Machine(uid: 1000, missing: ["git"], sudo: "shift; \"$@\"")
    #expect(try machine.setUp().exit == .code(0))
    #expect(machine.installed().hasSuffix("install -q -y --no-install-recommends git\n"))
  }

  @Test("Without root and without sudo the command to run is named")
  func noRoot() throws {
    for sudo in [nil, "exit 1"] {
      let machine = try Machine(uid: 1000, missing: ["git"], sudo: sudo)
      let result = try machine.setUp()
      #expect(result.exit == .code(1))
      #expect(result.stderr.contains("apt-get install -y git"))
      #expect(machine.installed() == "")
    }
  }

  @Test("No Swift, an old Swift, another system: each is refused with what to do")
  func refusals() throws {
    let noSwift = try Machine(uid: 0, without: "swift").setUp()
    #expect(noSwift.exit == .code(1))
    #expect(noSwift.stderr.contains("no 'swift' in PATH"))
    for (version, accepted) in [
      ("6.2.9", false), ("5.10", false), ("6.3", true), ("6.10.1", true), ("7.0", true),
    ] {
      let result = try Machine(uid: 0, swift: version).setUp()
      #expect(result.succeeded == accepted, "\(version)")
      #expect(accepted || result.stderr.contains("Swift \(version) is too old"))
    }
    let unreadable = try Machine(uid: 0, swift: "main").setUp()
    #expect(unreadable.stderr.contains("cannot read Swift's version"))
    let notDebian = try Machine(uid: 0, without: "apt-get").setUp()
    #expect(notDebian.exit == .code(1))
    #expect(notDebian.stderr.contains("not Debian"))
  }

  @Test("A failed installation is not taken for a good one")
  func failure() throws {
    let machine = try Machine(uid: 0, missing: ["git"], apt: "exit 100")
    let result = try machine.setUp()
    #expect(result.exit == .code(1))
    #expect(result.stderr.contains("apt-get update failed"))
  }
}

/// A PATH that holds nothing but the tools of one machine.
private struct Machine: ~Copyable {
  private let tools: TemporaryDirectory

  init(
    uid: Int, missing: [String] = [], swift: String = "6.3.1", sudo: String? = nil,
    apt: String = "echo \"$@\" >>\"$0.log\"", without: String? = nil
  ) throws {
    let tools = try TemporaryDirectory("setup")
    let absent = missing.map { "      \($0)) ;;\n" }.joined()
    var scripts = [
      "id": "echo \(uid)",
      "swift": "echo 'Swift version \(swift) (swift-\(swift)-RELEASE)'",
      "dpkg-query": """
      shift 2
      for p in "$@"; do
        case "$p" in
      \(absent)      *) echo "$p installed" ;;
        esac
      done
      """,
      "apt-get": apt,
    ]
    if let sudo { scripts["sudo"] = sudo }
    if let without { scripts[without] = nil }
    for (name, body) in scripts {
      // By another process: what other tests start meanwhile holds our files open for a moment,
      // and no program can be run that somebody may write to.
      let write = "cat >\"$0\" && chmod 755 \"$0\""
      let script = Array("#!/bin/sh\n\(body)\n".utf8)
      let written = try Child.run(
        "/bin/sh", ["-c", write, tools.file(name)], input: .bytes(script))
      #expect(written.exit == .code(0), "\(written.stderr)")
    }
    try FileManager.default.createSymbolicLink(
      atPath: tools.file("env"), withDestinationPath: "/usr/bin/env")
    self.tools = tools
  }

  func setUp() throws -> ChildResult {
    try Child.run(
      "/bin/sh", [Programs.root + "/Scripts/setup.sh"], environment: ["PATH": tools.path])
  }

  /// What apt-get was called with.
  func installed() -> String {
    (try? String(contentsOfFile: tools.file("apt-get.log"), encoding: .utf8)) ?? ""
  }
}
