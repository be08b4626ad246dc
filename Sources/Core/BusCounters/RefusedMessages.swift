/// Messages that were taken out of a log, looked into and refused, until the row shows them.
public struct RefusedMessages: Sendable {
  /// How many.
  public private(set) var count: UInt64 = 0
  /// Bytes of their payloads.
  public private(set) var bytes: UInt64 = 0
  /// How many at the place of each ``DropReason``.
  public private(set) var byReason = [UInt64](repeating: 0, count: DropReason.allCases.count)

  /// None so far.
  public init() {}

  /// Notes one.
  public mutating func note(_ reason: DropReason, bytes length: UInt64) {
    count &+= 1
    bytes &+= length
    byReason[reason.rawValue] &+= 1
  }
}
