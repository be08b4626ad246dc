import BusTestSupport
import Foundation
import ProcessSupport
import Testing

/// The Python of README.md, run as it stands there.
@Suite(
  "The Python of README.md", .serialized,
  .enabled(
    if: FileManager.default.isExecutableFile(atPath: "/usr/bin/python3"), "needs python3"))
struct ReadmePythonTests {
  @Test("the recipe publishes, reads and asks through bcs, and says what it got")
  func recipe() throws {
    let text = try String(contentsOfFile: "\(Programs.root)/README.md", encoding: .utf8)
    let block = try #require(
      text.components(separatedBy: "```python\n").dropFirst().first?
        .components(separatedBy: "\n```").first)
    let dir = try TemporaryDirectory("python")
    let bus = try CLIBus(dir.path)
    let upper = try Child.start(
      try Programs.path("bcs"),
      ["reply", "upper", "--dir", bus.directory, "--exec", "tr", "a-z", "A-Z"])
    defer { upper.kill() }
    while upper.isRunning, !upper.stderrSoFar.contains("answering") { breathe() }
    let file = dir.file("recipe.py")
    try block.write(toFile: file, atomically: true, encoding: .utf8)
    let folder = try Programs.path("bcs").dropLast("/bcs".count)
    let result = try Child.run(
      "/usr/bin/python3", [file],
      environment: ["PATH": "\(folder):/usr/bin:/bin", "BCS_DIR": bus.directory],
      timeout: .seconds(60))
    #expect(result.succeeded, "\(result)")
    #expect(result.stdout == "alerts.disk almost full\nHELLO\n", "\(result)")
  }
}
