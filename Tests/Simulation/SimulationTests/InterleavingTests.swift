import BusTestSupport
import Testing

@Suite("Honest agents, a hostile one and restarts in any order")
struct InterleavingTests {
  /// `BCS_TRACE=1` prints each history as it is lived, for one that ends the process.
  private static let tracesAll = environmentValue("BCS_TRACE") != nil

  /// One history of a seed.
  private static func live(
    _ seed: UInt64, defect: SeededDefect? = nil, isTraced: Bool = false
  ) throws -> Interleaving {
    var history = try Interleaving(seed: seed, defect: defect, isTraced: isTraced || tracesAll)
    for _ in 0..<240 where history.violations.isEmpty { history.step() }
    if history.violations.isEmpty { history.settle() }
    if history.violations.isEmpty { history.checkAgreement() }
    if history.violations.isEmpty { history.leaveAll() }
    return history
  }

  @Test("nothing leaks, nobody gets what he may not read, and whoever may read reads, 2,000 times")
  func manySeeds() throws {
    let first = Seed.announced(for: "interleavings").value
    var restarts = 0
    for round in 0..<2000 as Range<UInt64> {
      let seed = first &+ round
      let history = try Self.live(seed)
      restarts += history.restarts
      guard !history.violations.isEmpty else { continue }
      _ = try Self.live(seed, isTraced: true)
      Issue.record("BCS_SEED=\(seed): \(history.violations)")
      return
    }
    #expect(restarts > 1000)
  }

  @Test("a fault that is put in is found", arguments: SeededDefect.allCases)
  func defects(defect: SeededDefect) throws {
    let first = Seed.announced(for: "seeded defect").value
    let found = try (0..<1000 as Range<UInt64>).first { round in
      try !Self.live(first &+ round, defect: defect).violations.isEmpty
    }
    #expect(found != nil, "1,000 histories with \(defect) look sound")
  }
}
