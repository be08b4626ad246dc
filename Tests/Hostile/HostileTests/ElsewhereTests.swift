import BusTestSupport
import Foundation
import Testing

/// Rows that another test of the tree holds better: what a peer does, and that test's sentence.
///
/// The sentence must stand in the tree, so that no row is lost when its test is renamed.
@Suite("Attacks that other suites hold")
struct ElsewhereTests {
  struct Row: Sendable {
    let attack: String
    let test: String

    init(_ attack: String, _ test: String) {
      self.attack = attack
      self.test = test
    }
  }

  static let rows: [Row] = [
    Row(
      "a publisher takes every place of a reader",
      "one publisher takes half of a reader's places at most, and the others find theirs"),
    Row(
      "many agents of one user take every place of another user's reader",
      "publishers of one user take four fifths of another user's places at most"),
    Row(
      "an agent opens log after log on one channel",
      "streams of an agent on one channel are bounded, and closed ones make room"),
    Row(
      "an agent brings the UUID of another name",
      "the UUID of another name is refused, whether that agent lives or not"),
    Row(
      "an agent returns to a restarted router under another's name or ticket",
      "a forged ticket, another process and another name are fenced"),
    Row(
      "records whose bytes are ruined while they are read",
      "readers neither trap nor leave their mapping, whatever a publisher does to its memory"),
    Row(
      "an agent that does not read what the router tells it",
      "an agent that does not read gets a snapshot that names everything"),
    Row(
      "random frames with random descriptors",
      "200 hostile frames with up to eight descriptors leave the router as it was"),
    Row(
      "a segment in huge pages",
      "a memory file in huge pages is refused, and the refusal says so"),
    Row(
      "a child that keeps a dead agent's socket open",
      "kill -9 ends an agent though a child of it keeps the socket open"),
    Row(
      "connections until the router has no descriptor left",
      "out of descriptors the router refuses with a reason, and recovers"),
    Row(
      "another user listens where an agent looks for its router",
      "what another user runs at the path gets no byte, before and after a start"),
    Row(
      "a run directory that others may write to",
      "a directory that other users may write to is refused before anything is sent"),
    Row(
      "payloads without end for a consumer that takes its time",
      "what waits for a slow consumer is bounded in bytes, and nothing of it is lost"),
    Row(
      "a lossless reader that stands still",
      "is evicted: the publisher goes on, and the reader is told once"),
  ]

  @Test("each row names a test that stands in the tree", arguments: rows.map(\.test))
  func stands(sentence: String) throws {
    let root = URL(fileURLWithPath: Programs.root + "/Tests")
    let files = FileManager.default.enumerator(at: root, includingPropertiesForKeys: nil)
    var found = 0
    while let file = files?.nextObject() as? URL {
      guard file.pathExtension == "swift", file.lastPathComponent != "ElsewhereTests.swift" else {
        continue
      }
      let text = try String(contentsOf: file, encoding: .utf8)
      if text.contains("\"\(sentence)\"") { found += 1 }
    }
    #expect(found == 1, "found \(found) times: \(sentence)")
  }
}
