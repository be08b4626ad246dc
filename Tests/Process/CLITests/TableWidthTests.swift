import BusTestSupport
import BusText
import Foundation
import ProcessSupport
import Testing

/// Listings in terminals of every width.
@Suite("Tables fit the terminal", .serialized)
struct TableWidthTests {
  private static let reader = "reader.with.a.rather.long.name"
  private static let writer = "writer.of.prices"

  private func table(_ bus: CLIBus, _ columns: Int?, _ words: String...) throws -> [String] {
    let environment = columns.map { ["COLUMNS": "\($0)"] } ?? [:]
    let result = try Child.run(
      try Programs.path("bcs"), words + ["--dir", bus.directory], environment: environment,
      timeout: .seconds(30))
    #expect(result.succeeded, "\(result)")
    return result.stdout.split(separator: "\n").map(String.init)
  }

  @Test("no line is wider than the terminal, and names are whole, from 60 columns on")
  func widths() throws {
    let dir = try TemporaryDirectory("table")
    let bus = try CLIBus(dir.path)
    let reader = try bus.subscriber("märkte.>", "--name", Self.reader)
    let writer = try bus.start(
      "pub", "märkte.漢字", "x", "--count", "100000", "--rate", "200", "--name", Self.writer)
    try reader.waitForLine(containing: "x", timeout: .seconds(20))
    let listings = [
      ["agent"], ["channel"], ["channel", "show", "märkte"], ["agent", "show", Self.reader],
      ["stat", "--interval", "0.1"],
    ]
    for words in listings {
      for columns in [60, 72, 80, 100, 132] {
        let lines = try tableOf(bus, columns, words)
        for line in lines {
          #expect(SafeText.width(line) <= columns, "\(words) at \(columns): \(line)")
        }
        let names = words[0] == "agent" && words.count > 1 ? [Self.reader] : [Self.writer]
        for name in names {
          #expect(lines.contains { $0.contains(name) }, "\(words) at \(columns): \(lines)")
        }
      }
      // A pipe has no width: every column is there, and nothing is cut.
      let wide = try tableOf(bus, nil, words)
      #expect(!wide.contains { $0.contains("…") })
    }
    let titles = try #require(try tableOf(bus, nil, ["agent"]).first)
    #expect(titles.contains("CATEGORY") && titles.contains("PROGRAM"))
    writer.kill()
    reader.kill()
  }

  private func tableOf(_ bus: CLIBus, _ columns: Int?, _ words: [String]) throws -> [String] {
    switch words.count {
    case 1: try table(bus, columns, words[0])
    case 2: try table(bus, columns, words[0], words[1])
    default: try table(bus, columns, words[0], words[1], words[2])
    }
  }

  @Test("characters that take two columns, or none, leave the columns after them in line")
  func wide() throws {
    let dir = try TemporaryDirectory("table")
    let bus = try CLIBus(dir.path)
    let topics = ["plain", "漢字漢字", "e\u{301}le\u{300}ve"]
    let writers = try topics.enumerated().map { number, topic in
      let writer = try bus.start(
        "pub", topic, "--stdin-lines", "--name", "w\(number)", input: .pipe)
      writer.send("x\n")
      return writer
    }
    var lines: [String] = []
    while lines.count < 4 { lines = try tableOf(bus, nil, ["channel"]) }
    let places = topics.compactMap { topic -> Int? in
      guard let line = lines.first(where: { $0.hasPrefix(topic) }),
        let place = line.range(of: "w")
      else { return nil }
      return SafeText.width(String(line[..<place.lowerBound]))
    }
    #expect(places.count == 3 && Set(places).count == 1, "\(lines)")
    // What runs is the program, not the agent's name again.
    let agents = try tableOf(bus, nil, ["agent"])
    #expect(agents.first { $0.hasPrefix("w0") }?.hasSuffix(" bcs") == true, "\(agents)")
    writers.forEach { $0.kill() }
  }
}
