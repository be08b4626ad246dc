// Numbers as people read them, without Foundation.

/// A size such as `2 MiB` or `1.5 GiB`, rounded down to one decimal.
func inBytes(_ bytes: UInt64) -> String {
  let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
  var unit = 0
  var scale: UInt64 = 1
  while unit + 1 < units.count && bytes / scale >= 1024 {
    scale *= 1024
    unit += 1
  }
  let whole = bytes / scale
  let tenths = bytes % scale / (scale / 10 + 1)
  return tenths == 0 ? "\(whole) \(units[unit])" : "\(whole).\(tenths) \(units[unit])"
}

/// A number with `places` decimals, rounded; 0 for what is no number or out of range.
func inDecimals(_ number: Double, places: Int) -> String {
  guard number.isFinite, number >= 0, number < 1e12 else { return "0" }
  let scale = (0..<places).reduce(1) { scale, _ in scale * 10 }
  let scaled = Int(number * Double(scale) + 0.5)
  guard places > 0 else { return "\(scaled)" }
  let fraction = String(scaled % scale)
  let zeros = String(repeating: "0", count: places - fraction.count)
  return "\(scaled / scale).\(zeros)\(fraction)"
}

/// `1 node`, `2 nodes`.
func counted(_ count: Int, _ noun: String) -> String {
  count == 1 ? "1 \(noun)" : "\(count) \(noun)s"
}

/// A soft or hard limit, or `unlimited`.
func limited(_ limit: UInt64?, _ write: (UInt64) -> String) -> String {
  limit.map(write) ?? "unlimited"
}

/// Why the kernel refused, from -errno.
func refusal(_ result: Int32) -> String {
  let names: [Int32: String] = [
    1: "not permitted (EPERM)", 12: "no memory (ENOMEM)", 13: "access denied (EACCES)",
    22: "this kernel does not know it (EINVAL)", 24: "too many open descriptors (EMFILE)",
    28: "no space (ENOSPC)", 38: "not in this kernel (ENOSYS)",
    92: "this kernel does not know it (ENOPROTOOPT)", 95: "not supported (EOPNOTSUPP)",
  ]
  return names[-result] ?? "error \(-result)"
}
