import Testing

/// Each check is shown a small bad sample that it must report, and a good one that it must not.
@Suite("Each check of the house finds what it is for")
struct NegativeControls {
  private let modules = ModuleMap(paths: [
    "Sources/Contract/CBusABI/include/bus_wire.h",
    "Sources/Contract/CHwloc/include/shim.h",
    "Sources/Core/BusWire/Header.swift",
    "Sources/Engine/BusPorts/Ports.swift",
    "Sources/Engine/BusRouting/Engine.swift",
    "Sources/Adapters/BusCrypto/Hash.swift",
    "Sources/Adapters/BusHardware/Topology.swift",
    "Sources/Client/BinaryComm/Bus.swift",
    "Sources/Services/BusRouter/Loop.swift",
    "Sources/Tools/BusAdmin/Delta.swift",
    "Sources/Programs/bcs/main.swift",
  ])

  @Test(
    "An import against the arrows is reported",
    arguments: [
      ("Sources/Core/BusWire/A.swift", "import BusRouting"),
      ("Sources/Core/BusWire/A.swift", "import Foundation"),
      ("Sources/Core/BusWire/A.swift", "public import Logging"),
      ("Sources/Engine/BusRouting/A.swift", "import Glibc"),
      ("Sources/Engine/BusRouting/A.swift", "internal import BinaryComm"),
      ("Sources/Client/BinaryComm/A.swift", "import BusRouting"),
      ("Sources/Client/BinaryComm/A.swift", "import BusRouter"),
      ("Sources/Client/BinaryComm/A.swift", "import struct Foundation.Date"),
      ("Sources/Adapters/BusCrypto/A.swift", "import BusHardware"),
      ("Sources/Adapters/BusCrypto/A.swift", "@preconcurrency import CHwloc"),
      ("Sources/Services/BusRouter/A.swift", "import BusCrypto"),
      ("Sources/Programs/test_latency/main.swift", "import BusHardware"),
      ("Tests/Unit/BusWireTests/A.swift", "@testable import BusWire"),
    ])
  func badArrow(path: String, text: String) {
    #expect(arrowFindings(SourceFile(path, text), modules).count == 1)
  }

  @Test(
    "An import along the arrows is not",
    arguments: [
      ("Sources/Core/BusWire/A.swift", "import CBusABI\npublic import Synchronization"),
      ("Sources/Adapters/BusHardware/A.swift", "import CHwloc\nimport Foundation"),
      ("Sources/Programs/bcs/A.swift", "import BinaryComm\nimport BusCrypto"),
      ("Sources/Core/BusWire/A.swift", "// import Foundation\nlet a = \"import Foundation\""),
    ])
  func goodArrow(path: String, text: String) {
    #expect(arrowFindings(SourceFile(path, text), modules) == [])
  }

  /// The rooms for what comes, with a file in each, as they will lie there.
  private let coming = ModuleMap(paths: [
    "Sources/Contract/CBinaryComm/include/binary_comm.h",
    "Sources/Contract/CEpoll/shim.h",
    "Sources/Contract/CRocksDB/shim.h",
    "Sources/Core/BusWire/Header.swift",
    "Sources/Engine/BusPorts/Store.swift",
    "Sources/Engine/BusQueues/QueueState.swift",
    "Sources/Engine/BusRouting/Engine.swift",
    "Sources/Adapters/BusNATS/Subject.swift",
    "Sources/Adapters/BusRocksStore/RocksStore.swift",
    "Sources/Adapters/BusTLS/Session.swift",
    "Sources/Client/BinaryComm/Bus.swift",
    "Sources/Client/BinaryCommC/Handles.swift",
    "Sources/Services/BusRouter/Loop.swift",
    "Sources/Services/BusQueueService/Service.swift",
    "Sources/Services/BusEdge/Edge.swift",
    "Sources/Tools/BusAdmin/Delta.swift",
    "Sources/Tools/BusJSON/JSON.swift",
  ])

  @Test(
    "In the rooms for what comes an import against the arrows is reported",
    arguments: [
      ("Sources/Services/BusQueueService/A.swift", "import BusRouter"),
      ("Sources/Services/BusQueueService/A.swift", "import BusRouting"),
      ("Sources/Services/BusQueueService/A.swift", "import BusRocksStore"),
      ("Sources/Services/BusDashboard/A.swift", "import BusEdge"),
      ("Sources/Services/BusDashboard/A.swift", "import Foundation"),
      ("Sources/Services/BusRouter/A.swift", "import BinaryComm"),
      ("Sources/Services/BusRouter/A.swift", "import BusQueues"),
      ("Sources/Services/BusRouter/A.swift", "import CEpoll"),
      ("Sources/Services/BusRouter/A.swift", "import BusEdge"),
      ("Sources/Engine/BusQueues/A.swift", "import Glibc"),
      ("Sources/Engine/BusQueues/A.swift", "import BusRouting"),
      ("Sources/Engine/BusRouting/A.swift", "import BusQueues"),
      ("Sources/Engine/BusPorts/A.swift", "import BusQueues"),
      ("Sources/Adapters/BusNATS/A.swift", "import BusTLS"),
      ("Sources/Adapters/BusNATS/A.swift", "import CRocksDB"),
      ("Sources/Adapters/BusTLS/A.swift", "import BusQueues"),
      ("Sources/Adapters/BusTLS/A.swift", "import BinaryComm"),
      ("Sources/Client/BinaryComm/A.swift", "import BinaryCommC"),
      ("Sources/Client/BinaryCommC/A.swift", "import BusPorts"),
      ("Sources/Programs/bus_edge/A.swift", "import BusRouter"),
      ("Sources/Programs/example_queue/A.swift", "import BusQueueService"),
    ])
  func badComing(path: String, text: String) {
    #expect(arrowFindings(SourceFile(path, text), coming).count == 1)
  }

  @Test(
    "In the rooms for what comes an import along the arrows is not",
    arguments: [
      ("Sources/Engine/BusQueues/A.swift", "import BusPorts\nimport BusWire\nimport DequeModule"),
      (
        "Sources/Services/BusQueueService/A.swift",
        "import BinaryComm\nimport BusPorts\nimport BusQueues"
      ),
      (
        "Sources/Services/BusDashboard/A.swift",
        "import BinaryComm\nimport BusAdmin\nimport BusJSON"
      ),
      ("Sources/Adapters/BusRocksStore/A.swift", "import BusPorts\nimport CRocksDB"),
      ("Sources/Client/BinaryCommC/A.swift", "import BinaryComm\nimport CBinaryComm"),
      ("Sources/Programs/bus_edge/A.swift", "import BusEdge\nimport BusTLS"),
    ])
  func goodComing(path: String, text: String) {
    #expect(room(of: path) != nil)
    #expect(arrowFindings(SourceFile(path, text), coming) == [])
  }

  @Test("A clock, a lock or a foreign import in pure state is reported")
  func pureState() throws {
    let path = try #require(Law.pureFiles.first)
    let bad = "import BusMemory\nlet a = HostClock.monotonicNs() // Mutex\nlet b = Mutex(1)\n"
    #expect(pureFindings(SourceFile(path, bad)).map(\.line) == [1, 2, 3])
    #expect(pureFindings(SourceFile(path, "import BusWire\nlet a = 1\n")) == [])
    #expect(pureFindings(SourceFile("Sources/Client/BinaryComm/A.swift", bad)) == [])
  }

  @Test("What prints past TerminalText is reported, what only speaks of it is not")
  func printing() {
    let path = "Sources/Programs/bcs/A.swift"
    let bad = "print(1)\nlet a = TerminalText(stringLiteral: b)\nfputs(a, stderr)"
    #expect(printFindings(SourceFile(path, bad)).map(\.line) == [1, 2, 3])
    #expect(printFindings(SourceFile(path, "// print\nlet a = \"print\"")) == [])
    #expect(printFindings(SourceFile("Tests/A.swift", "print(1)")) == [])
    let example = "Sources/Programs/example_x/X.swift"
    let say = "  private static func say(_ text: TerminalText) {\n    FileHandle.write(text)\n}\n"
    #expect(printFindings(SourceFile(example, say)) == [])
    #expect(printFindings(SourceFile(path, say)).map(\.line) == [2])
    let others = say + "FileHandle.write(a)\nprint(a)\n"
    #expect(printFindings(SourceFile(example, others)).map(\.line) == [4, 5])
    let raw = "func say(_ text: String) {\n  FileHandle.write(text)\n}\n"
    #expect(printFindings(SourceFile(example, raw)).map(\.line) == [2])
  }

  @Test("An include across Contract targets is reported")
  func badInclude() {
    let file = SourceFile("Sources/Contract/CHwloc/a.c", "#include \"bus_wire.h\"\n")
    #expect(arrowFindings(file, modules).map(\.line) == [1])
    let unknown = SourceFile("Sources/Contract/CBusABI/a.c", "#include \"other.h\"\n")
    #expect(arrowFindings(unknown, modules).map(\.line) == [1])
    let own = SourceFile("Sources/Contract/CBusABI/a.c", "#include \"bus_wire.h\"\n")
    #expect(arrowFindings(own, modules) == [])
  }

  @Test("A long function is reported, a requirement and a short one are not")
  func longFunction() {
    let body = String(repeating: "  x += 1\n", count: Law.functionLines - 1)
    let bad = "func ok() {\n}\nfunc long(\n  _ a: Int = { 1 }()\n) -> Int {\n\(body)}\n"
    let found = sizeFindings(SourceFile("Sources/A.swift", bad))
    #expect(found.map(\.line) == [3])
    let property = "var long: Int {\n\(body)\n}\n"
    #expect(sizeFindings(SourceFile("Sources/A.swift", property)).map(\.line) == [1])
    let requirement = "protocol P {\n  func a() -> Int\n  func b()\n}\nenum E {\n\(body)\n}\n"
    #expect(sizeFindings(SourceFile("Sources/A.swift", requirement)) == [])
    let braces = "func f() {\n  g(\"}\\(h(\"{\"))\", #\"{\"#) // }\n}\n"
    let extent = functions(SourceFile("Sources/A.swift", braces))
    #expect(extent == [FunctionExtent(name: "f", line: 1, lines: 3)])
  }

  @Test("A long C function is reported, a table is not")
  func longCFunction() {
    let body = String(repeating: "  x++;\n", count: Law.functionLines)
    let bad = "int a(void) { return 0; }\nstatic int long_one(int x) {\n\(body)}\n"
    let found = sizeFindings(SourceFile("Sources/a.c", bad))
    #expect(found.map(\.line) == [2])
    let table = "int t[] = {\n\(body)};\nstruct s {\n\(body)};\n"
    #expect(sizeFindings(SourceFile("Sources/a.c", table)) == [])
  }

  @Test("A long line and a long file are reported, in Markdown they are not")
  func longText() {
    let wide = String(repeating: "x", count: Law.columns + 1)
    let tall = String(repeating: "//\n", count: Law.fileLines + 1)
    #expect(sizeFindings(SourceFile("a.swift", wide)).count == 1)
    #expect(sizeFindings(SourceFile("a.h", wide)).count == 1)
    #expect(sizeFindings(SourceFile("a.sh", wide)).count == 1)
    #expect(sizeFindings(SourceFile("a.swift", tall)).count == 1)
    #expect(sizeFindings(SourceFile("a.swift", String(tall.dropFirst(3)))) == [])
    #expect(sizeFindings(SourceFile("a.md", wide + tall)) == [])
  }

  @Test("Unsafe code outside its places is reported, the word in a comment is not")
  func unsafePlace() {
    let text = "// unsafe\nlet a = unsafe b\nlet c = \"unsafe\"\n"
    let bad = unsafeFindings(SourceFile("Sources/Engine/BusAccess/A.swift", text))
    #expect(bad.map(\.line) == [2])
    #expect(unsafeFindings(SourceFile("Sources/Core/BusWire/A.swift", text)).count == 1)
    #expect(unsafeFindings(SourceFile("Sources/Core/BusWire/WireBytes.swift", text)) == [])
    #expect(unsafeFindings(SourceFile("Sources/Core/BusMemory/A.swift", text)) == [])
  }

  @Test("The start of a peer's segment outside its places is reported")
  func lentPlace() {
    let text = "// lentBase\nlet at = segment.lentBase + 1\n"
    let bad = lentFindings(SourceFile("Sources/Client/BinaryComm/A+Memory.swift", text))
    #expect(bad.map(\.line) == [2])
    #expect(lentFindings(SourceFile("Sources/Core/BusLog/LogReader.swift", text)) == [])
    #expect(lentFindings(SourceFile("Tests/Unit/A.swift", text)) == [])
  }

  @Test("A SYNC name with one end, unlisted or only listed is reported")
  func syncPair() {
    let publish = SourceFile("Sources/A.swift", "a() // SYNC: log.publish\nb() // SYNC: lonely\n")
    let read = SourceFile("Sources/B.c", "c(); // SYNC: log.publish (acquire), why\n")
    let document = SourceFile(Law.syncPoints, "| `log.publish` | … |\n| `gone` | … |\n")
    let found = syncFindings([publish, read], document: document).map(\.what)
    #expect(found.count == 3)
    #expect(found.contains { $0.contains("lonely has one end") })
    #expect(found.contains { $0.contains("lonely is not listed") })
    #expect(found.contains { $0.contains("no code has SYNC gone") })
    #expect(syncFindings([publish, read], document: nil).count == 3)
    #expect(syncFindings([], document: nil) == [])
    let pair = SourceFile("Sources/C.swift", "a() // SYNC: x.y\nb() // SYNC: x.y\n")
    let twice = SourceFile(Law.syncPoints, "| `x.y` | one |\n| `x.y` | other |\n")
    let doubled = syncFindings([pair], document: twice).map(\.what)
    #expect(doubled == ["SYNC x.y has more than one row: keep the true one"])
  }

  @Test("A word that says later and a machine's path are reported", arguments: 0..<3)
  func words(index: Int) {
    let word = "a // \(Law.bannedWords[index]): later"
    #expect(wordFindings(SourceFile("a.swift", word)).count == 1)
    let path = "see \(Law.machinePaths[index])me/file"
    #expect(wordFindings(SourceFile("a.md", path)).count == 1)
    let relative = "see a\(Law.machinePaths[index])me and mkdtemp(\"XXXXXX\")"
    #expect(wordFindings(SourceFile("a.md", relative)) == [])
  }

  @Test("A folder for anything and a wrong mode are reported")
  func placesAndModes() {
    #expect(folderFindings("Sources/Core/Utils/A.swift").count == 1)
    #expect(folderFindings("Sources/Core/BusWire/Utils.swift") == [])
    let script = SourceFile("a.sh", "#!/bin/sh\n")
    #expect(modeFindings(script, isExecutable: false).count == 1)
    #expect(modeFindings(script, isExecutable: true) == [])
    #expect(modeFindings(SourceFile("a.md", "# A\n"), isExecutable: true).count == 1)
  }

  @Test("A dead link is reported, code and the web are not")
  func links() {
    let text = """
      [a](gone.md) [b](../README.md#top) [c](https://example.org) [d](#here)
      ```
      [e](gone.md)
      ```
      """
    let file = SourceFile("Docs/a.md", text)
    #expect(linkFindings(file) { $0 == "README.md" }.map(\.line) == [1])
  }

  @Test(
    "A changelog out of form is reported",
    arguments: [
      "# Changes\n\n## [Unreleased]\n",
      "# Changelog\n\n## [1.0.0] - 2026-01-01\n",
      "# Changelog\n\n## [Unreleased]\n\n### News\n",
      "# Changelog\n\n## [Unreleased]\n\n## 1.0.0\n",
      "# Changelog\n\n## [Unreleased]\n\n## [0.9.0] - 2026-01-01\n\n## [0.10.0] - 2026-02-01\n",
      "# Changelog\n\n### Added\n\n## [Unreleased]\n",
    ])
  func badChangelog(text: String) {
    #expect(changelogFindings(SourceFile("CHANGELOG.md", text)).count == 1)
  }

  @Test("A changelog in form is not")
  func goodChangelog() {
    let text =
      "# Changelog\n\n## [Unreleased]\n\n### Added\n\n## [0.10.0] - 2026-02-01\n\n"
      + "## [0.9.0] - 2026-01-01\n"
    #expect(changelogFindings(SourceFile("CHANGELOG.md", text)) == [])
  }
}
