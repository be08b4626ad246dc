import BusTestSupport
import Foundation
import ProcessSupport
import Testing

/// Bodies that are larger than a message.
@Suite("bcs --blob", .serialized)
struct BlobOptionTests {
  @Test("a file of 20 MiB comes out of sub --raw byte for byte, after its publisher has left")
  func publish() throws {
    let dir = try TemporaryDirectory("cli")
    let bus = try CLIBus(dir.path)
    let file = try write(20 << 20, to: dir.file("big"))
    let bcs = try Programs.path("bcs")
    let out = dir.file("out")
    let reader = try Child.start(
      "/bin/sh",
      ["-c", "exec \(bcs) sub big --raw --lossless --count 2 --dir \(bus.directory) > \(out)"])
    let plain = try bus.subscriber("big", "--lossless", "--count", "2")
    let lines = try bus.subscriber("big", "--lossless", "--count", "2", "--json")
    while reader.isRunning, !reader.stderrSoFar.contains("subscribed to") { breathe() }
    // Stopped until the publishers have left.
    #expect(reader.stop())
    let sent = try bus.run("pub", "big", "--file", file, "--blob")
    #expect(sent.succeeded, "\(sent.stderr)")
    #expect(sent.stdout.contains("published 1 message, \(20 << 20) bytes, on big"))
    #expect(try bus.run("pub", "big", "end").succeeded)
    reader.signal(SIGCONT)
    #expect(try reader.wait(timeout: .seconds(60)).succeeded)
    let bytes = try Data(contentsOf: URL(filePath: file)) + Data("end".utf8)
    #expect(try Data(contentsOf: URL(filePath: out)) == bytes)
    #expect(try plain.wait().stdout.contains("(a blob of 20 MiB"))
    let row = try #require(try jsonLines(try lines.wait().stdout).first)
    #expect(row["blob_bytes"] as? Int == 20 << 20 && row["encoding"] as? String == "base64")
    let whole = try bus.run("pub", "big", "--file", file)
    #expect(whole.exit == .code(1) && whole.stderr.contains("--blob"))
  }

  @Test("a blob that is gone is said, what comes after it is shown, and the exit code tells")
  func gone() throws {
    let dir = try TemporaryDirectory("cli")
    let bus = try CLIBus(dir.path)
    let reader = try bus.subscriber("a", "--raw", "--lossless", "--count", "2")
    #expect(reader.stop())
    #expect(try bus.run("pub", "a", "lost", "--blob", "--keep", "0").succeeded)
    #expect(try bus.run("pub", "a", "after").succeeded)
    reader.signal(SIGCONT)
    let result = try reader.wait()
    #expect(result.exit == .code(1) && result.stdout == "after")
    #expect(result.stderr.contains("NOT_FOUND"))
  }

  @Test("requests and replies carry blobs: a command reads the bytes, an echo hands them back")
  func conversations() throws {
    let dir = try TemporaryDirectory("cli")
    let bus = try CLIBus(dir.path)
    let file = try write(20 << 20, to: dir.file("big"))
    let sum = try Child.start(
      try Programs.path("bcs"), ["reply", "sum", "--dir", bus.directory, "--exec", "cksum"])
    let echo = try bus.start("reply", "echo", "--echo")
    defer {
      sum.kill()
      echo.kill()
    }
    for child in [sum, echo] {
      while child.isRunning, !child.stderrSoFar.contains("answering") { breathe() }
      #expect(child.isRunning, "\(child.stderrSoFar)")
    }
    let expected = try Child.run("/bin/sh", ["-c", "cksum < \(file)"]).stdout
    let bcs = try Programs.path("bcs")
    func shell(_ command: String) throws -> ChildResult {
      try Child.run("/bin/sh", ["-c", command])
    }
    let asked = try shell("\(bcs) req sum --blob --raw --dir \(bus.directory) < \(file)")
    #expect(asked.succeeded && asked.stdout == expected, "\(asked.stderr)")
    let same = try shell(
      "\(bcs) req echo --blob --raw --dir \(bus.directory) < \(file) | cmp - \(file)")
    #expect(same.succeeded, "\(same.stderr)")
    let large = try shell("\(bcs) req echo --dir \(bus.directory) < \(file)")
    #expect(large.exit == .code(1) && large.stderr.contains("--blob"))
    for wrong in ["--keep=-1", "--keep=3601"] {
      #expect(try bus.run("req", "echo", "x", "--blob", wrong).exit == .code(64))
    }
    #expect(try bus.run("pub", "a", "x", "--blob", "--chunk", "1KiB").exit == .code(64))
  }

  /// A file whose bytes do not repeat soon.
  private func write(_ count: Int, to path: String) throws -> String {
    var random = SplitMix64(seed: 5)
    let bytes = (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    try Data(bytes).write(to: URL(filePath: path))
    return path
  }
}
