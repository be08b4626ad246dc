import ArgumentParser
import BusText

/// A number of messages per second, as in `100` or `100/s`.
struct Rate {
  let perSecond: Double

  /// Reads a rate; throws `ValidationError` with the form of rates.
  static func parse(_ text: String) throws -> Rate {
    let number = text.hasSuffix("/s") ? String(text.dropLast(2)) : text
    guard let value = Double(number), value >= 1e-6, value <= 1e9 else {
      throw ValidationError("a rate is from 1e-6 to 1e9, such as 0.5, 100 or 100/s")
    }
    return Rate(perSecond: value)
  }
}

/// Spaces messages in time.
struct Pace {
  private let gapNs: UInt64
  /// How late a message may be for the next one to come sooner.
  private let arrearsNsMax: UInt64
  private var nextNs: UInt64 = 0

  init(rate: Double?, sleep: Double?) {
    gapNs = UInt64((rate.map { 1 / $0 } ?? sleep ?? 0) * 1e9)
    // A rate catches up on what the scheduler took, but not on a time in which there was nothing to
    // send; a pause is a pause.
    arrearsNsMax = rate == nil ? 0 : max(gapNs, 10_000_000)
  }

  /// Waits until the next message is due; the first one is at once.
  mutating func wait() throws {
    guard gapNs > 0 else { return }
    if nextNs == 0 { nextNs = System.monotonicNs }
    while System.monotonicNs < nextNs {
      try Interrupt.check()
      System.sleep(.nanoseconds(Int64(min(nextNs - min(nextNs, System.monotonicNs), 100_000_000))))
    }
    let now = System.monotonicNs
    nextNs = max(nextNs, now - min(now, arrearsNsMax)) + gapNs
  }
}

/// Says on a terminal how far long work is.
struct Progress {
  private let what: String
  private let total: Int
  private let isOn: Bool
  private var nextNs: UInt64
  private var isShown = false

  init(_ what: String, of total: Int, _ common: CommonOptions) {
    self.what = what
    self.total = total
    isOn = Terminal.isTerminal(2) && !common.json && common.logLevel <= .notice && total > 1
    nextNs = System.monotonicNs + 1_000_000_000
  }

  /// Shows it, from the second second on and twice a second.
  mutating func show(_ done: Int) {
    guard isOn, done & 0xFF == 0 || total < 10_000, System.monotonicNs >= nextNs else { return }
    nextNs = System.monotonicNs + 500_000_000
    // In the background it would be written over what the user types.
    guard Terminal.isForeground(2) else { return }
    isShown = true
    try? Output.write("\r\(what) \(done) of \(total)", to: 2)
  }

  /// Takes it off the terminal.
  mutating func end() {
    if isShown, Terminal.isForeground(2) { try? Output.write("\r\u{1B}[K", to: 2) }
  }
}
