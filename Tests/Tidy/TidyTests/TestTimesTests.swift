import BusTestSupport
import Testing

/// `Scripts/test-times.awk` on events as `swift test` writes them.
@Suite("What the tests took is told by target")
struct TestTimesTests {
  @Test("targets come by their shares, tests by their seconds; skipped ones count, suites do not")
  func whole() throws {
    let shown = try times([
      event("testStarted", "ATests.S", at: 10, #"Suite \"all of it\" started."#),
      event("testStarted", #"ATests.S\/one()\/S.swift:6:4"#, at: 10, "Test one() started."),
      event("testEnded", #"ATests.S\/one()\/S.swift:6:4"#, at: 10.5, "Test one() passed"),
      event("testStarted", #"BTests.T\/two()\/T.swift:6:4"#, at: 11, #"Test \"2\/\" started."#),
      event("testStarted", #"ATests.S\/three()\/S.swift:9:4"#, at: 12, "Test three() started."),
      event("testEnded", #"ATests.S\/three()\/S.swift:9:4"#, at: 12.25, "Test three() failed"),
      event("testSkipped", #"ATests.S\/four()\/S.swift:12:4"#, at: 12.5, "Test four() skipped"),
      event("testEnded", "ATests.S", at: 90, #"Suite \"all of it\" passed"#),
      event("testEnded", #"BTests.T\/two()\/T.swift:6:4"#, at: 31, #"Test \"2\/\" passed"#),
    ])
    let words = shown.map { $0.split(separator: " ").joined(separator: " ") }
    #expect(
      words == [
        "tests of number skipped share seconds first to last",
        "BTests 1 0 19.9 20.0 20.0", "ATests 3 1 0.6 0.8 2.2", "all 4 1 20.5 20.8 21.0",
        "the slowest:",
        #"20.0 s BTests: "2/""#, "0.5 s ATests: one()", "0.2 s ATests: three()",
      ])
  }

  @Test("a run that was cut short is told as far as it went, and no run as nothing")
  func cut() throws {
    let one = #"ATests.S\/one()\/S.swift:6:4"#
    let begun = event("testStarted", one, at: 10, "Test one() started.")
    let end = event("testEnded", one, at: 99, "Test one() passed")
    let shown = try times([begun, String(end.dropLast(20))])
    let ends = ["begun, and no end of them is known (1):", "      0.0 s  ATests: one()"]
    #expect(shown.suffix(2).map(String.init) == ends, "\(shown)")
    #expect(!shown.contains { $0.contains("89") }, "\(shown)")
    #expect(try times([]) == [])
  }

  private func event(_ kind: String, _ test: String, at seconds: Double, _ text: String) -> String {
    #"{"kind":"event","payload":{"instant":{"absolute":\#(seconds),"since1970":1},"#
      + #""kind":"\#(kind)","messages":[{"symbol":"default","text":"\#(text)"}],"#
      + #""testID":"\#(test)"},"version":0}"#
  }

  /// The lines that are printed, without empty ones.
  private func times(_ events: [String]) throws -> [Substring] {
    let result = try Child.run(
      "awk", ["-f", Programs.root + "/Scripts/test-times.awk"],
      input: .bytes(Array(events.joined(separator: "\n").utf8)))
    #expect(result.succeeded && result.stderr.isEmpty, "\(result)")
    return result.stdout.split(separator: "\n")
  }
}
