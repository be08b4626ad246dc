import ArgumentParser

/// A number of bytes on the command line: `65536`, `64K`, `16M`, `1G`.
struct ByteSize: ExpressibleByArgument {
  let bytes: UInt64

  init(bytes: UInt64) { self.bytes = bytes }

  init?(argument: String) {
    let units: [Character: UInt64] = ["K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40]
    var digits = argument[...]
    var unit: UInt64 = 1
    if let last = argument.uppercased().last, let factor = units[last] {
      unit = factor
      digits = argument.dropLast()
    }
    guard let number = UInt64(digits) else { return nil }
    let product = number.multipliedReportingOverflow(by: unit)
    guard !product.overflow else { return nil }
    bytes = product.partialValue
  }

  var defaultValueDescription: String { description }

  /// The shortest exact form.
  var description: String {
    for (name, factor) in [("G", UInt64(1) << 30), ("M", 1 << 20), ("K", 1 << 10)]
    where bytes > 0 && bytes % factor == 0 {
      return "\(bytes / factor)\(name)"
    }
    return "\(bytes)"
  }
}
