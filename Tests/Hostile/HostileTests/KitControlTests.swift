import BusLog
import BusTestSupport
import Foundation
import Glibc
import Synchronization
import Testing

/// The harness itself can fail: rows that are wrong on purpose are reported, and a harmless one is
/// not.
@Suite("The hostile kit reports what is wrong", .serialized)
struct KitControlTests {
  /// A row, and what one of its complaints must contain; nil: there must be none.
  struct Control: Sendable {
    let row: AttackRow
    let complaint: String?

    init(_ name: String, _ complaint: String?, _ body: @escaping LogBody) {
      row = AttackRow(name) { stand, report in
        let log = try LogRow.log()
        log.publish(8)
        let subject = try LogSubject(try LogRow.mapped(log), .lossy)
        try subject.drain(log, report)
        try body(stand, report, subject)
      }
      self.complaint = complaint
    }

    init(_ row: AttackRow, _ complaint: String?) {
      self.row = row
      self.complaint = complaint
    }

    typealias LogBody = @Sendable (Stand, Report, LogSubject) throws -> Void
  }

  /// Addresses of memory that a control keeps.
  private static let leftBehind = Mutex<[UInt]>([])

  static let onMemory: [Control] = [
    Control("a harmless publisher", nil) { _, report, subject in
      report.result(subject.text, is: "open 8/0/0")
    },
    Control("a result that is another one", "is open 8/0/0, not corrupt 8/0/0") {
      _, report, subject in report.result(subject.text, is: "corrupt 8/0/0")
    },
    Control("a statement that does not hold", "nothing was handed over") {
      _, report, subject in
      report.holds(subject.handed == 0, "something and not nothing was handed over")
    },
    Control("more work than the bound", "8 records, more than 7") { _, report, subject in
      report.result(subject.text, is: "open 8/0/0")
      report.work(subject.handed, atMost: 7, "records")
    },
    Control("a row that checks no result", "checks no result") { _, _, _ in },
    Control(
      AttackRow("a row that bounds no work") { _, report in report.holds(true, "") },
      "bounds no work"),
    Control(
      AttackRow("a set-up that fails") { _, _ in throw SetUpFailure("out of luck") },
      "out of luck"),
    Control("a descriptor that is left behind", "descriptors: ") { _, report, subject in
      report.result(subject.text, is: "open 8/0/0")
      guard dup(0) >= 0 else { throw SetUpFailure("dup") }
    },
    Control("memory that is left behind", "grew by") { _, report, subject in
      report.result(subject.text, is: "open 8/0/0")
      let bytes = 64 << 20
      let room = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 4096)
      unsafe room.initializeMemory(as: UInt8.self, repeating: 1, count: bytes)
      // Kept and read below, so that the compiler cannot leave the bytes out.
      Self.leftBehind.withLock { $0.append(UInt(bitPattern: room)) }
    },
    Control(
      LogRow(
        name: "a table whose text is another one", modes: [.lossless],
        between: { $0.memory.put(0, at: LogPlace.commit) },
        expected: [["open 8/0/0"]]
      ).row, "lossless is corrupt 8/0/0"),
    Control(
      LogRow(
        name: "a table of three texts of which one is another one",
        between: { $0.memory.put(1 << 62, at: LogPlace.commit) },
        expected: [["evicted 8/0/0"], ["evicted 8/0/0"], ["corrupt 8/0/0"]]
      ).row, "lossy is corrupt 8/0/0"),
  ]

  @Test("about memory: each control of a table is reported as it should be, and nothing else")
  func memory() async {
    let result = await #expect(
      processExitsWith: .success,
      observing: [\.standardOutputContent, \.standardErrorContent]
    ) {
      try await Self.play(Self.onMemory, on: try Stand.memory())
    }
    Group.show(result)
  }

  static let onBus: [Control] = [
    Control(
      AttackRow("a peer that says hello and leaves") { stand, report in
        let peer = try stand.attacker("kit.control")
        report.result("\(peer.incarnation > 0)", is: "true")
        report.work(peer.framesReceived, atMost: 2, "frames")
      }, nil),
    Control(
      AttackRow("an answer that is another one") { stand, report in
        let one = FrameCase(bytes: RawFrame(kind: 99).bytes)
        try FrameCase.all([one], .registered, are: ["error INVALID"], stand, report)
      }, "is closed INVALID"),
    Control(
      AttackRow("memory of the router that stays charged") { stand, report in
        let peer = try HostilePeer(stand.socket)
        try peer.register("kit.stays")
        report.result("\(peer.incarnation > 0)", is: "true")
        report.work(0, atMost: 0, "frames")
        stays.withLock { $0.append(peer) }
      }, "bytes charged by the router"),
    Control(
      AttackRow("a reader that is given another topic") { stand, report in
        let feed = try Feed(stand, .lossless)
        feed.log.topics([Array("alerts.x".utf8)])
        feed.log.publish(line: 0, items: [], payload: [1], topic: 0)
        feed.expect([["alerts.y"]], [[]], report)
      }, "what came is"),
    Control(
      AttackRow("a router that is ended") { stand, report in
        stand.router?.kill()
        try stand.router?.wait()
        report.result("ended", is: "ended")
        report.work(0, atMost: 0, "frames")
      }, "the router has ended"),
  ]

  private static let stays = Mutex<[HostilePeer]>([])

  @Test(
    "about the bus: each control of a table is reported as it should be, and nothing else",
    needsRoot)
  func bus() async {
    let result = await #expect(
      processExitsWith: .success,
      observing: [\.standardOutputContent, \.standardErrorContent]
    ) {
      try await Self.play(Self.onBus, on: try await Stand.bus())
    }
    Group.show(result)
  }

  private static func play(_ controls: [Control], on stand: Stand) async throws {
    let outcome = try await Kit.run(controls.map(\.row), on: stand)
    for control in controls {
      let found = outcome.complaints.filter { $0.row == control.row.name }.map(\.text)
      guard let wanted = control.complaint else {
        #expect(found.isEmpty, "\(control.row.name)")
        continue
      }
      #expect(found.contains { $0.contains(wanted) }, "\(control.row.name): \(found)")
    }
    let harmless = controls.count { $0.complaint == nil }
    #expect(outcome.passed == harmless)
    print("hostile kit, negative controls: \(controls.count) rows, \(outcome.passed) hold")
  }
}
