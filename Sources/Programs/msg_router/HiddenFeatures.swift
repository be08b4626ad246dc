import ArgumentParser
import BusHardware

/// Kernel features that a test makes the router do without.
enum HiddenFeatures {
  /// Reads a list such as `peerpidfd,tsc`.
  static func mask(_ list: String) throws -> UInt32 {
    let known: [String: HostDegradations] = [
      "noexec": .noexecSeal, "peerpidfd": .peerPidfd, "membarrier": .membarrier, "tsc": .tsc,
      "memfd": .memfd,
    ]
    var mask: UInt32 = 0
    for name in list.split(separator: ",") {
      guard let feature = known[String(name)] else {
        let names = known.keys.sorted().joined(separator: ", ")
        throw ValidationError("--forbid does not know \(name): use \(names).")
      }
      mask |= feature.rawValue
    }
    return mask
  }
}
