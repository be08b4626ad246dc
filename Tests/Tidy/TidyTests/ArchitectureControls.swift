import Testing

/// The checks of documents against the tree find what they are for.
@Suite("Each check of a document against the tree finds what it is for")
struct ArchitectureControls {
  @Test("A module in no row, in a wrong one, or of no target is reported")
  func layers() {
    let package = SourceFile(
      "Package.swift",
      """
      contract("CBusABI"), system("CHwloc", "hwloc", "libhwloc-dev"),
      module("Core", "BusWire", uses: []), module(
        "Engine", "BusRouting", uses: []), program("bcs", uses: [])
      """)
    func found(_ core: String) -> [String] {
      let rows = """
        | Layer | Modules | What |
        | `Contract` | `CBusABI` `CHwloc` | C |
        | `Core` | \(core) | wire |
        | `Engine` | `BusRouting` | routing |
        | `Programs` | `bcs` | programs |
        """
      return layerFindings(SourceFile("ARCHITECTURE.md", rows), package: package).map(\.what)
    }
    #expect(found("`BusWire`") == [])
    #expect(found("none") == ["the table of layers lacks BusWire of Core"])
    #expect(found("`BusWire` `Gone`") == ["Gone is no target of the layer Core"])
    #expect(found("`BusWire` `BusRouting`") == ["BusRouting is no target of the layer Core"])
  }

  @Test("A library among the programs is reported, an executable is not")
  func programs() {
    func found(_ text: String) -> [String] {
      programFindings(SourceFile("Package.swift", text)).map(\.what)
    }
    #expect(
      found("module(\n  \"Programs\", \"BusJSON\", uses: [])")
        == ["BusJSON is a library: Sources/Programs holds executables only"])
    #expect(found("module(\"Tools\", \"BusJSON\"), program(\"bcs\", uses: [])") == [])
  }

  @Test("A term without its type, out of order, or twice is reported")
  func glossary() {
    func found(_ rows: String) -> [Int] {
      let text = "| Term | Meaning |\n|---|---|\n" + rows
      return glossaryFindings(SourceFile("g.md", text), publicTypes: ["Agent", "Blob"]).map(\.line)
    }
    #expect(found("| agent (`Agent`) | a |\n| blob (`Blob`) | b |\n| gap | g |\n") == [])
    #expect(found("| agent (`Desk`) | a |\n") == [3])
    #expect(found("| gap | g |\n| agent | a |\n| agent | a |\n") == [4, 5])
    let file = SourceFile("a.swift", "public final class A {}\nstruct B {}\npublic enum C {}")
    #expect(publicTypes(file) == ["A", "C"])
  }

  @Test("A name that was given up is reported in code, not in what is said of it")
  func retired() throws {
    let name = try #require(Law.retiredNames.keys.first)
    let path = "Sources/Client/BinaryComm/A.swift"
    #expect(retiredFindings(SourceFile(path, "let a = \(name)()\n")).map(\.line) == [1])
    #expect(retiredFindings(SourceFile(path, "// \(name)\nlet a = \"\(name)\"\n")) == [])
    #expect(retiredFindings(SourceFile("Tests/A.swift", "let a = \(name)()")) == [])
  }
}
