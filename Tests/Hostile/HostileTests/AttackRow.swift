import BusTestSupport

/// One attack: what a hostile or unlucky peer does, and what must hold all the same.
///
/// A row is data: a name and a body, which most tables make out of a few values. The harness adds
/// what holds for every row: an honest third party is served while the attack stands, and memory
/// and descriptors are back where they were when the attacker has left.
struct AttackRow: Sendable {
  let name: String
  /// What this process and the router may have grown by when the attacker has left.
  var residentKiBMax = 32 << 10
  let attack: @Sendable (Stand, Report) async throws -> Void

  init(_ name: String, _ attack: @escaping @Sendable (Stand, Report) async throws -> Void) {
    self.name = name
    self.attack = attack
  }
}

/// What is wrong with one row.
///
/// A row must check a result and bound the work that it caused: one that does neither is itself
/// reported, so that no row passes because it looks at nothing.
final class Report: @unchecked Sendable {
  // @unchecked Sendable: a row's body is the only writer.
  private(set) var complaints: [String] = []
  private(set) var results = 0
  private(set) var bounds = 0

  func complain(_ text: String) { complaints.append(text) }

  /// The victim's result is the one that was expected.
  func result(_ found: String, is expected: String, _ what: String = "result") {
    results += 1
    if found != expected { complain("\(what) is \(found), not \(expected)") }
  }

  /// The victim's result is one of those that are allowed.
  func result(_ found: String, isOneOf expected: [String], _ what: String = "result") {
    results += 1
    if !expected.contains(found) { complain("\(what) is \(found), none of \(expected)") }
  }

  /// A statement about the victim's result.
  func holds(_ condition: Bool, _ what: @autoclosure () -> String) {
    results += 1
    if !condition { complain(what()) }
  }

  /// The work that the attack caused: records or bytes looked at, frames sent.
  func work(_ count: Int, atMost most: Int, _ what: String) {
    bounds += 1
    if count > most { complain("\(count) \(what), more than \(most)") }
  }

  func close() {
    if results == 0 { complain("the row checks no result of the victim") }
    if bounds == 0 { complain("the row bounds no work") }
  }
}

/// A group of rows that share a stand, and what became of them.
struct Outcome: Sendable {
  var passed = 0
  var complaints: [(row: String, text: String)] = []
}

enum Kit {
  /// A row that takes longer has hung; far more than any needs, also on a busy machine.
  static let rowSeconds = 60

  /// Runs rows one after the other on one stand.
  static func run(_ rows: [AttackRow], on stand: Stand) async throws -> Outcome {
    var outcome = Outcome()
    // What the runtime opens once, at the first thread or look at /proc, belongs to the baseline.
    _ = try await Watchdog.bounding("warm-up", seconds: rowSeconds) {
      try await run(AttackRow("warm-up") { _, _ in }, on: stand)
    }
    for row in rows {
      let complaints = try await Watchdog.bounding(row.name, seconds: rowSeconds) {
        try await run(row, on: stand)
      }
      if complaints.isEmpty { outcome.passed += 1 }
      outcome.complaints += complaints.map { (row.name, $0) }
    }
    return outcome
  }

  private static func run(_ row: AttackRow, on stand: Stand) async throws -> [String] {
    let report = Report()
    let before = try stand.holdings()
    do {
      try await row.attack(stand, report)
    } catch {
      report.complain("the set-up or the attack failed: \(error)")
    }
    report.close()
    do {
      try await stand.serveThirdParty(report)
    } catch {
      report.complain("the third party was not served: \(error)")
    }
    stand.sendAttackersAway()
    try await stand.settle(to: before, residentKiBMax: row.residentKiBMax, report)
    return report.complaints
  }
}
