import BusTestSupport
import Foundation
import Testing

/// The Swift of documents, as a reader of them would copy it.
@Suite("The Swift of documents")
struct ReadmeTests {
  private static let catalogue = "Sources/Client/BinaryComm/BinaryComm.docc"

  @Test(
    "every block compiles against the library as it is",
    arguments: ["README.md", "\(catalogue)/BinaryComm.md"])
  func blocks(document: String) throws {
    let text = try String(contentsOfFile: "\(Programs.root)/\(document)", encoding: .utf8)
    let blocks = text.components(separatedBy: "```swift\n").dropFirst().compactMap {
      $0.components(separatedBy: "\n```").first
    }
    try #require(!blocks.isEmpty)
    for block in blocks {
      let result = try typecheck(block)
      #expect(result.exit == .code(0), "\(result.stderr)")
    }
    // The check itself can fail.
    let wrong = try typecheck(try #require(blocks.first) + "\nlet wrong: Int = bus\n")
    #expect(wrong.exit != .code(0))
    #expect(wrong.stderr.contains("cannot convert"))
  }

  @Test("the documentation of the library is made without a warning, and a wrong link is one")
  func documentation() throws {
    let home = try TemporaryDirectory("docs")
    func make(_ words: String...) throws -> ChildResult {
      try Child.run(
        "\(Programs.root)/Scripts/docs.sh", [home.file("site")] + words, timeout: .seconds(120))
    }
    let made = try make()
    #expect(made.succeeded, "\(made.stderr)")
    let pages = home.file("site/data/documentation/binarycomm")
    #expect(FileManager.default.fileExists(atPath: pages + "/agent.json"))
    let copy = home.file("Wrong.docc")
    try FileManager.default.copyItem(atPath: "\(Programs.root)/\(Self.catalogue)", toPath: copy)
    let page = copy + "/BinaryComm.md"
    let text = try String(contentsOfFile: page, encoding: .utf8)
    try (text + "\n- ``NoSuchThing``\n").write(toFile: page, atomically: true, encoding: .utf8)
    let wrong = try make(copy)
    #expect(!wrong.succeeded && (wrong.stdout + wrong.stderr).contains("NoSuchThing"))
  }

  private func typecheck(_ source: String) throws -> ChildResult {
    let dir = try TemporaryDirectory("readme")
    let file = dir.file("main.swift")
    try source.write(toFile: file, atomically: true, encoding: .utf8)
    let contract = "\(Programs.root)/Sources/Contract"
    return try Child.run(
      "/usr/bin/env",
      [
        // Nothing of what the library builds on is seen but by an import of its own.
        "swiftc", "-typecheck", "-swift-version", "6", file,
        "-enable-upcoming-feature", "MemberImportVisibility",
        "-I", "\(Programs.root)/.build/release/Modules",
        "-Xcc", "-I\(contract)/CBusABI/include", "-Xcc", "-I\(contract)/CBusPlatform/include",
      ],
      timeout: .seconds(120))
  }
}
