import BusWire
import CBusABI

/// What this program is.
enum ProgramVersion {
  /// The version of the release.
  static var version: String { BUS_RELEASE }

  /// Program, release, and the versions that router and agents have to share.
  static var banner: String {
    "bcs \(version) (layout \(BUS_LAYOUT_VERSION), wire \(BUS_WIRE_VERSION))"
  }
}
