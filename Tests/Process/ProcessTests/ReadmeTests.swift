import BusTestSupport
import Foundation
import Testing

/// The Swift of README.md, as a reader of it would copy it.
@Suite("The Swift of README.md")
struct ReadmeTests {
  @Test("every block compiles against the library as it is")
  func blocks() throws {
    let text = try String(contentsOfFile: "\(Programs.root)/README.md", encoding: .utf8)
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

  private func typecheck(_ source: String) throws -> ChildResult {
    let dir = try TemporaryDirectory("readme")
    let file = dir.file("main.swift")
    try source.write(toFile: file, atomically: true, encoding: .utf8)
    let contract = "\(Programs.root)/Sources/Contract"
    return try Child.run(
      "/usr/bin/env",
      [
        "swiftc", "-typecheck", "-swift-version", "6", file,
        "-I", "\(Programs.root)/.build/release/Modules",
        "-Xcc", "-I\(contract)/CBusABI/include", "-Xcc", "-I\(contract)/CBusPlatform/include",
      ],
      timeout: .seconds(120))
  }
}
