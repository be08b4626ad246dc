import BusTestSupport
import Foundation
import Testing

/// The help texts, in a terminal of the usual width.
@Suite("Help fits a terminal of 80 columns")
struct HelpTests {
  /// The help of every command of bcs, found from the help of the one above it.
  private func helps(of call: [String] = []) throws -> [(call: [String], text: String)] {
    let result = try Child.run(
      try Programs.path("bcs"), call + ["--help"], environment: ["COLUMNS": "80"],
      timeout: .seconds(30))
    #expect(result.succeeded, "\(call): \(result)")
    let lines = result.stdout.split(separator: "\n")
    let commands = lines.drop { $0 != "SUBCOMMANDS:" }.dropFirst()
      .filter { $0.hasPrefix("  ") && !$0.hasPrefix("   ") && !$0.hasPrefix("  See ") }
      .compactMap { $0.split(separator: " ").first.map(String.init) }
    return try [(call, result.stdout)] + commands.flatMap { try helps(of: call + [$0]) }
  }

  @Test("no line of any help is broken by the terminal, and no option by the help")
  func commands() throws {
    let all = try helps()
    #expect(all.count > 30)
    for (call, text) in all {
      for line in text.split(separator: "\n") {
        #expect(line.count <= 80, "\(call): \(line)")
      }
      let usage = text.split(separator: "\n").drop { !$0.hasPrefix("USAGE: ") }
        .prefix { $0.hasPrefix("USAGE: ") || $0.hasPrefix("       ") }
      #expect(!usage.isEmpty, "\(call)")
      for line in usage {
        #expect(line.count { $0 == "[" } == line.count { $0 == "]" }, "\(call): \(line)")
      }
    }
  }

  @Test(
    "nor of the programs beside bcs", arguments: ["msg_router", "test_latency", "test_throughput"])
  func programs(name: String) throws {
    let result = try Child.run(try Programs.path(name), ["--help"], timeout: .seconds(30))
    #expect(result.succeeded)
    for line in result.stdout.split(separator: "\n") { #expect(line.count <= 80, "\(line)") }
  }
}
