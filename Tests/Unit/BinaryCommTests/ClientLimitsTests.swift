import BinaryComm
import BusTestSupport
import Foundation
import Testing

@Suite("Docs/operating/limits.md, the client's part")
struct ClientLimitsTests {
  private static func grouped(_ number: Int) -> String {
    number.formatted(.number.locale(Locale(identifier: "en_US")))
  }

  @Test("names every limit of an agent's own process with its value, and no other")
  func table() throws {
    let path = Programs.root + "/Docs/operating/limits.md"
    let text = try String(contentsOfFile: path, encoding: .utf8)
    let sections = text.components(separatedBy: "\n## ")
    let section = try #require(sections.first { $0.hasPrefix("In an agent's own process") })
    let rows = section.split(separator: "\n").filter { $0.hasPrefix("| `") }.map { line in
      line.split(separator: "|").prefix(2).map { $0.trimmingCharacters(in: .whitespaces) }
    }
    let limits = Mirror(reflecting: ClientLimits()).children.map { child -> [String] in
      let name = child.label ?? ""
      let value = child.value as? Int ?? -1
      let shown = name.hasSuffix("Bytes") ? "\(value >> 20) MiB" : Self.grouped(value)
      return ["`\(name)`", shown]
    }
    #expect(!limits.isEmpty)
    #expect(rows.sorted { $0[0] < $1[0] } == limits.sorted { $0[0] < $1[0] })
  }
}
