/// The publishers that have not let a reader in: of most the answer is on its way, one that is
/// stopped leaves it to wait, and what it publishes before it answers is missing.
struct PendingPublishers {
  /// How long the answer may be on its way, in nanoseconds.
  private static let patienceNs: UInt64 = 1_000_000_000
  /// How long between two looks.
  private static let pauseNs: UInt64 = 250_000_000

  /// When each that still waits was first seen to.
  private var sinceNs: [String: UInt64] = [:]
  private var nextNs: UInt64 = 0
  private var isTold = false

  /// Whether it is time for another look.
  func isDue(_ nowNs: UInt64) -> Bool { nowNs >= nextNs }

  /// Takes those that have not answered yet; returns what is to be said of them, once.
  mutating func look(_ names: [String], _ nowNs: UInt64) -> String? {
    nextNs = nowNs + Self.pauseNs
    sinceNs = sinceNs.filter { names.contains($0.key) }
    for name in names where sinceNs[name] == nil { sinceNs[name] = nowNs }
    guard !isTold, let text = text(nowNs) else { return nil }
    isTold = true
    return text
  }

  /// A sentence about those that have left the reader waiting for long, nil when none has.
  func text(_ nowNs: UInt64) -> String? {
    let late = sinceNs.filter { nowNs - $0.value >= Self.patienceNs }.keys.sorted()
    guard !late.isEmpty else { return nil }
    let shown = late.prefix(8).map(\.printable).joined(separator: ", ")
    let who = late.count == 1 ? "1 publisher has" : "\(late.count) publishers have"
    return "\(who) not let this reader in yet (stopped?): \(shown)\(late.count > 8 ? ", …" : "")"
  }
}
