import CBusPlatform

/// Features of the host that this process must do without, to see how it copes.
public struct HostDegradations: OptionSet, Sendable {
  /// The bits of `plat_forbid()`.
  public let rawValue: UInt32

  /// Takes the bits of `plat_forbid()`.
  public init(rawValue: UInt32) {
    self.rawValue = rawValue
  }

  /// Memory files that can never become executable.
  public static let noexecSeal = HostDegradations(rawValue: PLAT_NO_NOEXEC_SEAL)
  /// A process handle of a socket's peer.
  public static let peerPidfd = HostDegradations(rawValue: PLAT_NO_PEERPIDFD)
  /// Memory barriers in other processes.
  public static let membarrier = HostDegradations(rawValue: PLAT_NO_MEMBARRIER)
  /// The CPU's counter as a clock.
  public static let tsc = HostDegradations(rawValue: PLAT_NO_TSC)
  /// Sealable memory files.
  public static let memfd = HostDegradations(rawValue: PLAT_NO_MEMFD)

  /// What `plat_forbid()` switched off in this process.
  public static var ofThisProcess: HostDegradations {
    HostDegradations(rawValue: plat_forbidden())
  }

  /// Makes this process behave as on a host without these features, for good.
  public static func forbidInThisProcess(_ features: HostDegradations) {
    plat_forbid(features.rawValue)
  }
}
