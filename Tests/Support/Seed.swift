import Glibc

/// The number all random choices of a test follow from; printed, so that a failure can be replayed.
///
/// ```swift
/// var random = Seed.announced(for: "rotation").generator()
/// let size = Int.random(in: 64...4096, using: &random)
/// ```
/// `BCS_SEED=<number>` replays a run.
public struct Seed: Sendable, CustomStringConvertible {
  /// The number itself.
  public let value: UInt64

  /// A seed chosen by the caller.
  public init(_ value: UInt64) { self.value = value }

  /// The seed of `BCS_SEED` (decimal or 0x…), else a fresh one; prints it under the test's name.
  ///
  /// A `BCS_SEED` that is no number ends the process: a replay of something else helps nobody.
  public static func announced(for test: String) -> Seed {
    let seed = Seed(given() ?? UInt64.random(in: .min ... .max))
    say("seed of \(test): \(seed) (replay: BCS_SEED=\(seed))")
    return seed
  }

  /// A generator that starts at this seed.
  public func generator() -> SplitMix64 { SplitMix64(seed: value) }

  /// The number in decimal.
  public var description: String { String(value) }

  private static func given() -> UInt64? {
    guard let text = environmentValue("BCS_SEED"), !text.isEmpty else { return nil }
    let hexadecimal = text.hasPrefix("0x")
    let digits = hexadecimal ? text.dropFirst(2) : text[...]
    guard let value = UInt64(digits, radix: hexadecimal ? 16 : 10) else {
      say("BCS_SEED is '\(text)': give a decimal number or 0x and hexadecimal digits")
      exit(64)
    }
    return value
  }
}

/// A small, fast generator whose whole state is its seed (Steele, Lea, Flood 2014).
public struct SplitMix64: RandomNumberGenerator, Sendable {
  private var state: UInt64

  /// A generator that yields the same numbers for the same seed.
  public init(seed: UInt64) { state = seed }

  /// The next 64 random bits.
  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
