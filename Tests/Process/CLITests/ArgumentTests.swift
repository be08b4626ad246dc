import BusTestSupport
import Foundation
import ProcessSupport
import Testing

/// What the arguments of bcs may be, before any of them means something.
@Suite("bcs and its arguments", .serialized)
struct ArgumentTests {
  /// Runs a line of bash in which `bcs` is the program and `$DIR` the run directory.
  private static func shell(_ line: String, _ directory: String) throws -> ChildResult {
    let bin = try Programs.path("bcs").dropLast("/bcs".count)
    return try Child.run(
      "/bin/bash", ["-c", line],
      environment: ["PATH": "\(bin):/usr/bin:/bin", "DIR": directory], timeout: .seconds(30))
  }

  @Test(
    "an argument that is not UTF-8 is refused, whatever it is: it would be another one",
    arguments: [
      "bcs pub t $'a\\xffb' --dir $DIR", "bcs pub $'t\\xc3' x --dir $DIR",
      "bcs pub t --file $'no\\xfe.jpg' --dir $DIR", "bcs req s $'\\xe2\\x28\\xa1' --dir $DIR",
      "bcs tell agent $'\\xed\\xa0\\x80' --dir $DIR",
      "bcs reply s --dir $DIR --exec cat $'/tmp/\\xff'", "bcs agent --dir $DIR/$'\\xff'",
    ])
  func bytes(line: String) throws {
    try Watchdog.bounding("arguments that are no text", seconds: 60) {
      let dir = try TemporaryDirectory("arguments")
      let result = try Self.shell(line, dir.path)
      #expect(result.exit == .code(64), "\(result)")
      #expect(result.stderr.contains("is not UTF-8") && result.stdout.isEmpty)
      #expect(result.stderr.contains("standard input or with --file"))
      let json = try jsonLines(try Self.shell("\(line) --json", dir.path).stderr)
      // Behind --exec every word is the command's.
      if !line.contains("--exec") { #expect(json.first?["error"] as? String == "USAGE") }
    }
  }

  @Test(
    "a reserved name is a wrong call, as no policy can grant it",
    arguments: [
      ["pub", "bcs.x", "y"], ["sub", "bcs.x"], ["sub", "bcs.>"], ["req", "bcs.x", "y"],
      ["reply", "bcs.x", "--echo"], ["listen", "--team", "bcs.x"], ["trace", "bcs", "y"],
      ["tell", "bcs.x", "y"], ["tell", "bcs.x", "y", "--team"],
    ])
  func reserved(words: [String]) throws {
    try Watchdog.bounding("reserved names", seconds: 60) {
      // Without a router: there is nothing to ask one.
      let result = try Child.run(try Programs.path("bcs"), words, timeout: .seconds(20))
      #expect(result.exit == .code(64) && result.stdout.isEmpty, "\(result)")
      #expect(result.stderr.contains("is reserved") && result.stderr.contains("choose another."))
      #expect(!result.stderr.contains("DENIED"))
    }
  }

  @Test("what is said of a wildcard in a name is about names")
  func wildcards() throws {
    try Watchdog.bounding("wildcards in names", seconds: 60) {
      let calls = [
        ["req", "a.*", "x"], ["reply", ">", "--echo"], ["tell", "a.*", "x", "--team"],
      ]
      for words in calls {
        let result = try Child.run(try Programs.path("bcs"), words, timeout: .seconds(20))
        #expect(result.exit == .code(64) && result.stderr.contains("Give one name;"), "\(result)")
        #expect(!result.stderr.contains("Publish on"))
      }
      let dir = try TemporaryDirectory("arguments")
      let bus = try CLIBus(dir.path)
      #expect(try bus.run("pub", "bcs.broadcast", "x").succeeded)
      #expect(try bus.run("sub", "bcs.broadcast", "--timeout", "0.1").succeeded)
    }
  }

  @Test("a run directory in which no router can be met is told at once")
  func noDirectory() throws {
    try Watchdog.bounding("run directories that are none", seconds: 60) {
      let dir = try TemporaryDirectory("arguments")
      let file = dir.file("file")
      try Data().write(to: URL(fileURLWithPath: file))
      try FileManager.default.createSymbolicLink(
        atPath: dir.file("loop"), withDestinationPath: dir.file("loop"))
      for place in [file, "\(file)/below", dir.file("loop"), "/dev/null"] {
        for words in [["sub", "a"], ["pub", "a", "x"], ["agent"], ["req", "a", "x"]] {
          let result = try Child.run(
            try Programs.path("bcs"), words + ["--dir", place], timeout: .seconds(20))
          #expect(result.exit == .code(69), "\(result)")
          #expect(result.stderr.contains("No router can be met in \(place): "))
          // It is not waited for, and nobody is told to change what it is.
          #expect(!result.stderr.contains("waiting") && !result.stderr.contains("chmod"))
        }
      }
    }
  }

  @Test("a place that nothing can be at is a wrong call")
  func wrongPlace() throws {
    try Watchdog.bounding("wrong places", seconds: 60) {
      let long = "/tmp/" + String(repeating: "d", count: 200)
      for words in [["sub", "a"], ["agent"], ["req", "a", "x"]] {
        let deep = try Child.run(try Programs.path("bcs"), words + ["--dir", long])
        #expect(deep.exit == .code(64) && deep.stderr.contains("217 bytes"), "\(deep)")
        let other = try Child.run(try Programs.path("bcs"), words + ["--dir", "tcp://host"])
        #expect(other.exit == .code(64) && other.stderr.contains("shm://PATH"), "\(other)")
        let user = try Child.run(
          try Programs.path("bcs"), words, environment: ["BCS_ROUTER_USER": "no-such-user"])
        #expect(user.exit == .code(64) && user.stderr.contains("no user of this host"), "\(user)")
      }
    }
  }

  @Test("text of any script arrives as it was typed")
  func text() throws {
    try Watchdog.bounding("arguments of any script", seconds: 60) {
      let dir = try TemporaryDirectory("arguments")
      let bus = try CLIBus(dir.path)
      let reader = try bus.subscriber("t", "--raw", "--count", "1")
      let body = "größe \u{1F680} 漢字 \u{FFFD}"
      #expect(try bus.run("pub", "t", body).succeeded)
      #expect(try reader.wait(timeout: .seconds(20)).stdout == body)
    }
  }
}
