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

  @Test("no cursor, ticket or epoch of a reader holds a publisher or its other readers up")
  func cursors() async {
    let result = await #expect(
      processExitsWith: .success,
      observing: [\.standardOutputContent, \.standardErrorContent]
    ) {
      try await Group.play("cursors", CursorRow.all, on: try Stand.memory())
    }
    Group.show(result)
  }

  @Test("no word of an agent's counters misleads or hangs whoever looks at them")
  func counters() async {
    let result = await #expect(
      processExitsWith: .success,
      observing: [\.standardOutputContent, \.standardErrorContent]
    ) {
      try await Group.play("counters", CounterRows.all, on: try Stand.memory())
    }
    Group.show(result)
  }

  @Test("no frame ends the router, holds it up, or is taken for another one", needsRoot)
  func frames() async {
    let result = await #expect(
      processExitsWith: .success,
      observing: [\.standardOutputContent, \.standardErrorContent]
    ) {
      try await Group.play("frames", FrameRows.all, on: try await Stand.bus())
    }
    Group.show(result)
  }

  @Test("no publisher misleads or ends a reader, or one beside another", needsRoot)
  func publishers() async {
    let result = await #expect(
      processExitsWith: .success,
      observing: [\.standardOutputContent, \.standardErrorContent]
    ) {
      let rows = FeedRows.all + PublisherRows.all
      try await Group.play("publishers", rows, on: try await Stand.bus())
    }
    Group.show(result)
  }

  @Test("nobody takes what belongs to all, or names what belongs to others", needsRoot)
  func shares() async {
    let result = await #expect(
      processExitsWith: .success,
      observing: [\.standardOutputContent, \.standardErrorContent]
    ) {
      try await Group.play("shares", ShareRows.all, on: try await Stand.bus())
    }
    Group.show(result)
  }

  @Test("no blob misleads the router or who opens it", needsRoot)
  func blobs() async {
    let result = await #expect(
      processExitsWith: .success,
      observing: [\.standardOutputContent, \.standardErrorContent]
    ) {
      try await Group.play("blobs", BlobRows.all, on: try await Stand.bus())
    }
    Group.show(result)
  }

  @Test("no message of a requester runs a service's handler wrongly, or ends it", needsRoot)
  func requests() async {
    let result = await #expect(
      processExitsWith: .success,
      observing: [\.standardOutputContent, \.standardErrorContent]
    ) {
      try await Group.play("requests", RequestRow.all, on: try await Stand.bus())
    }
    Group.show(result)
  }

  @Test("a lane to an agent opens none of its services that the policy does not give", needsRoot)
  func rights() async {
    let result = await #expect(
      processExitsWith: .success,
      observing: [\.standardOutputContent, \.standardErrorContent]
    ) {
      try await Group.play("rights", RightRows.all, on: try await RightRows.stand())
    }
    Group.show(result)
  }

  @Test("no answer or news of a false router ends an agent's process", needsRoot)
  func falseRouters() async {
    let result = await #expect(
      processExitsWith: .success,
      observing: [\.standardOutputContent, \.standardErrorContent]
    ) {
      try await Group.play("false routers", FakeRouterRows.all, on: try await Stand.bus())
    }
    Group.show(result)
  }

  @Test("nobody waits for a peer that is crowded, stands still or takes its word back", needsRoot)
  func unlucky() async {
    let result = await #expect(
      processExitsWith: .success,
      observing: [\.standardOutputContent, \.standardErrorContent]
    ) {
      try await Group.play("unlucky peers", UnluckyRows.all, on: try await Stand.bus())
    }
    Group.show(result)
  }

  @Test("nobody who comes back after a restart takes what is another's", needsRoot)
  func restarts() async {
    let result = await #expect(
      processExitsWith: .success,
      observing: [\.standardOutputContent, \.standardErrorContent]
    ) {
      try await Group.play("restarts", RestartRows.all, on: try await Stand.bus())
    }
    Group.show(result)
  }

  @Test("nothing but what belongs there is taken as a segment", needsRoot)
  func descriptors() async {
    let result = await #expect(
      processExitsWith: .success,
      observing: [\.standardOutputContent, \.standardErrorContent]
    ) {
      let rows = DescriptorRows.all + LingerRows.all
      try await Group.play("descriptors", rows, on: try await Stand.bus())
    }
    Group.show(result)
  }
}

/// One process's share of the kit.
enum Group {
  /// Complaints that are printed, so that what a group says fits into the pipe to its parent.
  private static let complaintsMax = 100
  private static let mark = "complaint: "

  /// Runs a group and prints what became of it; ``show(_:)`` makes issues of the complaints.
  ///
  /// Issues that are recorded here wait in a pipe until this process has ended, and more than it
  /// holds would keep it from ending.
  static func play(_ group: String, _ rows: [AttackRow], on stand: Stand) async throws {
    let names = Set(rows.map(\.name))
    let outcome = try await Kit.run(rows, on: stand)
    for complaint in outcome.complaints.prefix(complaintsMax) {
      print("\(mark)row '\(complaint.row)': \(complaint.text.prefix(300))")
    }
    let hidden = outcome.complaints.count - complaintsMax
    if hidden > 0 { print("\(mark)and \(hidden) more") }
    print("hostile kit, \(group): \(rows.count) rows, \(outcome.passed) hold")
    #expect(names.count == rows.count, "two rows have one name")
    #expect(outcome.passed == rows.count)
  }

  /// Prints what the group's process said, which is how many rows it ran, and records complaints.
  static func show(_ result: ExitTest.Result?) {
    let text = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
    for line in text.split(separator: "\n") {
      if line.hasPrefix(mark) { Issue.record("\(line.dropFirst(mark.count))") } else { print(line) }
    }
    print(String(decoding: result?.standardErrorContent ?? [], as: UTF8.self))
    #expect(text.contains("hostile kit, "), "the group's process did not come to its end")
  }
}
