import BusCounters
import BusTestSupport
import Foundation
import Testing

@Suite("Docs/operating/counters.md")
struct CountersDocumentTests {
  @Test("names every reason to drop a message, and no other")
  func reasons() throws {
    let path = Programs.root + "/Docs/operating/counters.md"
    let text = try String(contentsOfFile: path, encoding: .utf8)
    let table = try #require(text.components(separatedBy: "| Reason | Where |\n|---|---|\n").last)
    let rows = table.split(separator: "\n", omittingEmptySubsequences: false)
      .prefix { $0.hasPrefix("|") }
    let named = rows.flatMap { row in
      row.split(separator: "|")[0].split(separator: "`").map(String.init)
        .filter { $0.contains(where: \.isLetter) }
    }
    #expect(Set(named) == Set(DropReason.allCases.map(\.name)))
    #expect(named.count == DropReason.allCases.count)
  }
}
