import BusTestSupport
import Foundation
import ProcessSupport
import Testing

/// The examples of the manual, typed as they stand there.
@Suite("the manual of bcs", .serialized)
struct ManualTests {
  private struct Example {
    let call: String
    var output: [String] = []
  }

  @Test("every example of commands.md prints what the page says")
  func examples() throws {
    let dir = try TemporaryDirectory("manual")
    let bus = try CLIBus(dir.path)
    let examples = try Self.examples(of: "Docs/operating/commands.md")
    #expect(examples.count >= 10)
    let folder = try Programs.path("bcs").dropLast("/bcs".count)
    for example in examples {
      let path = "\(folder):\(ProcessInfo.processInfo.environment["PATH"] ?? "")"
      // What check starts is its own; everything else meets this router.
      let environment = ["PATH": path, "BCS_DIR": bus.directory]
      let result = try Child.run(
        "/bin/sh", ["-c", example.call], environment: environment, timeout: .seconds(60))
      #expect(result.succeeded, "\(example.call): \(result.stderr)")
      let lines = (result.stderr + result.stdout).split(separator: "\n").map(String.init)
      for wanted in example.output {
        #expect(
          lines.contains { Self.matches($0, wanted) }, "\(example.call): no line '\(wanted)'")
      }
    }
  }

  /// Whether the parts between the `…` of an example stand in a line in this order.
  private static func matches(_ line: String, _ wanted: String) -> Bool {
    var rest = line[...]
    for part in wanted.components(separatedBy: "…") {
      guard let found = rest.firstRange(of: part.trimmingCharacters(in: .whitespaces)) else {
        if part.trimmingCharacters(in: .whitespaces).isEmpty { continue }
        return false
      }
      rest = rest[found.upperBound...]
    }
    return true
  }

  private static func examples(of path: String) throws -> [Example] {
    let text = try String(contentsOfFile: "\(Programs.root)/\(path)", encoding: .utf8)
    var examples: [Example] = []
    var isConsole = false
    for line in text.components(separatedBy: "\n") {
      if line.hasPrefix("```") {
        isConsole = line == "```console"
      } else if isConsole, line.hasPrefix("$ ") {
        examples.append(Example(call: String(line.dropFirst(2))))
      } else if isConsole, !examples.isEmpty {
        examples[examples.count - 1].output.append(line)
      }
    }
    return examples
  }
}
