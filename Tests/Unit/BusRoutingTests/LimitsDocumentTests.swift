import BusRouting
import BusTestSupport
import Foundation
import Testing

@Suite("Docs/operating/limits.md")
struct LimitsDocumentTests {
  /// The value as the document writes it, by the unit in the limit's name.
  private static func written(_ name: String, _ value: Any) -> String {
    let number = Int("\(value)") ?? -1
    if name.contains("Bytes") {
      let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")]
      for (size, unit) in units where number >= size && number % size == 0 {
        return "\(number / size) \(unit)"
      }
      return "\(number) B"
    }
    if name.hasSuffix("Ns") { return "\(grouped(number / 1_000_000_000)) s" }
    if name.contains("Ms") { return "\(grouped(number / 1000)) s" }
    return grouped(number)
  }

  private static func grouped(_ number: Int) -> String {
    guard number >= 1000 else { return "\(number)" }
    let rest = "\(number % 1000)"
    return "\(grouped(number / 1000)),\(String(repeating: "0", count: 3 - rest.count))\(rest)"
  }

  @Test("names every limit with its value, and no other")
  func table() throws {
    let path = Programs.root + "/Docs/operating/limits.md"
    var text = try String(contentsOfFile: path, encoding: .utf8)
    // What the client holds is compared where the client is tested.
    let sections = text.components(separatedBy: "\n## ")
    text = sections.filter { !$0.hasPrefix("In an agent's own process") }.joined(separator: "\n")
    let rows = text.split(separator: "\n").filter { $0.hasPrefix("| `") }.map { line in
      line.split(separator: "|").prefix(2).map { $0.trimmingCharacters(in: .whitespaces) }
    }
    let limits = Mirror(reflecting: RouterLimits()).children.map { child in
      let name = child.label ?? ""
      return ["`\(name)`", Self.written(name, child.value)]
    }
    #expect(rows.sorted { $0[0] < $1[0] } == limits.sorted { $0[0] < $1[0] })
  }
}
