/// Numbers as people read them, three digits and a unit, at most six columns wide.
public enum NumberFormat {
  /// A count or a rate, as in `1.23M`.
  public static func count(_ value: Double) -> String {
    scaled(value, step: 1000, units: ["", "K", "M", "G", "T", "P", "E"])
  }

  /// A count, as in `1.23M`.
  public static func count(_ value: UInt64) -> String { count(Double(value)) }

  /// A number of bytes in powers of 1024, as in `76.3M`.
  public static func bytes(_ value: Double) -> String {
    scaled(value, step: 1024, units: ["", "K", "M", "G", "T", "P", "E"])
  }

  /// A time, as in `1.23µs`.
  public static func time(ns: UInt64) -> String {
    switch ns {
    case ..<1000: "\(ns)ns"
    case ..<1_000_000: threeDigits(Double(ns) / 1e3) + "µs"
    case ..<1_000_000_000: threeDigits(Double(ns) / 1e6) + "ms"
    case ..<10_000_000_000_000: threeDigits(Double(ns) / 1e9) + "s"
    default: ">9999s"
    }
  }

  private static func scaled(_ value: Double, step: Double, units: [String]) -> String {
    guard value.isFinite, value > 0 else { return value.isFinite ? "0" : "-" }
    var (left, unit) = (value, 0)
    // 999.7 would be written as 1000.
    while left >= step - 0.5, unit < units.count - 1 {
      left /= step
      unit += 1
    }
    if unit == 0 {
      let isWhole = left == left.rounded() || left >= 10
      return isWhole ? "\(Int(left.rounded()))" : threeDigits(left)
    }
    return threeDigits(left) + units[unit]
  }

  /// At most three digits that say something.
  static func threeDigits(_ value: Double) -> String {
    let decimals = value < 9.995 ? 100.0 : value < 99.95 ? 10.0 : 1.0
    let rounded = (value * decimals).rounded() / decimals
    return rounded == rounded.rounded() ? "\(Int(rounded))" : "\(rounded)"
  }
}
