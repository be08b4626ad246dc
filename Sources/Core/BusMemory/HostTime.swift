import Glibc

/// One moment by both clocks of the host.
///
/// The wall clock says when something happened and may be set by somebody; the monotonic one says
/// how long something took and is the one to compare deadlines with.
@frozen
public struct HostTime: Sendable, Equatable {
  /// Nanoseconds since the Unix epoch.
  public var unixNs: UInt64
  /// Nanoseconds of CLOCK_MONOTONIC.
  public var monotonicNs: UInt64

  /// A moment.
  @inlinable
  public init(unixNs: UInt64, monotonicNs: UInt64) {
    self.unixNs = unixNs
    self.monotonicNs = monotonicNs
  }

  /// Both clocks of the kernel, read as one: a process that is stopped between the two reads does
  /// not take the pause for a step of the wall clock.
  public static func kernel() -> HostTime {
    var time = HostTime(unixNs: 0, monotonicNs: 0)
    for _ in 0..<4 {
      let before = HostClock.monotonicNs()
      time = HostTime(unixNs: HostClock.kernelUnixNs(), monotonicNs: before)
      if HostClock.monotonicNs() &- before < 1_000_000 { break }
    }
    return time
  }
}
