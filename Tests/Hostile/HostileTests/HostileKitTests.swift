import BusTestSupport
import Foundation
import Testing

/// The kit: every table of attacks, each group in a process of its own, so that what it holds can
/// be counted and a trap or a hang ends that group alone.
@Suite("Hostile kit", .serialized)
struct HostileKitTests {
  @Test("no word of a log misleads, hangs or bloats its readers")
  func logs() async {
    let result = await #expect(
      processExitsWith: .success,
      observing: [\.standardOutputContent, \.standardErrorContent]
    ) {
      try await Group.play("logs", LogRows.all, on: try Stand.memory())
    }
    Group.show(result)
  }

  @Test("no frame ends the router, holds it up, or is taken for another one")
  func frames() async {
    let result = await #expect(
      processExitsWith: .success,
      observing: [\.standardOutputContent, \.standardErrorContent]
    ) {
      try await Group.play("frames", FrameRows.all, on: try await Stand.bus())
    }
    Group.show(result)
  }

  @Test("nothing but what belongs there is taken as a segment")
  func descriptors() async {
    let result = await #expect(
      processExitsWith: .success,
      observing: [\.standardOutputContent, \.standardErrorContent]
    ) {
      try await Group.play("descriptors", DescriptorRows.all, on: try await Stand.bus())
    }
    Group.show(result)
  }
}

/// One process's share of the kit.
enum Group {
  /// Runs a group, prints what became of it, and records each complaint as an issue.
  static func play(_ group: String, _ rows: [AttackRow], on stand: Stand) async throws {
    let names = Set(rows.map(\.name))
    #expect(names.count == rows.count, "two rows have one name")
    let outcome = try await Kit.run(rows, on: stand)
    for complaint in outcome.complaints {
      Issue.record("\(group), row '\(complaint.row)': \(complaint.text)")
    }
    print(
      "hostile kit, \(group): \(rows.count) rows, \(outcome.passed) hold, "
        + "\(outcome.pending.count) pending")
    for (reason, rows) in Dictionary(grouping: outcome.pending, by: \.reason) {
      print("  pending, \(rows.count): \(reason): \(rows.map(\.name).joined(separator: "; "))")
    }
    #expect(outcome.passed + outcome.pending.count == rows.count)
  }

  /// Prints what the group's process said, which is how many rows it ran.
  static func show(_ result: ExitTest.Result?) {
    let text = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
    print(text, String(decoding: result?.standardErrorContent ?? [], as: UTF8.self))
    #expect(text.contains("hostile kit, "), "the group's process did not come to its end")
  }
}
