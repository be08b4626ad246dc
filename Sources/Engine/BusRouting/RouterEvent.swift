public import BusWire

/// Names one control connection; numbers are never used twice.
public struct ConnectionID: Hashable, Sendable {
  /// The number that the owner of the socket gave it.
  public let value: UInt64
  /// Wraps the number.
  public init(_ value: UInt64) { self.value = value }
}

/// The process at the other end of a connection, as the kernel tells.
public struct Peer: Hashable, Sendable {
  /// Its process number.
  public let pid: Int32
  /// Its user.
  public let uid: UInt32
  /// When it started, in clock ticks since boot: tells it from a later process of that number.
  public let startTime: UInt64

  /// Takes what the kernel told.
  public init(pid: Int32, uid: UInt32, startTime: UInt64) {
    self.pid = pid
    self.uid = uid
    self.startTime = startTime
  }
}

/// What happened around the router.
public enum RouterEvent: Sendable {
  /// A process connected.
  case connected(ConnectionID, Peer)
  /// A whole frame came, with the segments of the descriptors beside it.
  case frame(ConnectionID, request: UInt32, AgentFrame, [Segment])
  /// Bytes came that are no frame; the descriptors beside them are closed already.
  case unreadable(ConnectionID, request: UInt32, BusErrorCode, String)
  /// The socket ended or its process died, whichever is first.
  case disconnected(ConnectionID)
  /// Everything that waited for this connection is sent, and news were dropped before.
  case drained(ConnectionID)
  /// What waited for this connection is sent, and others had their turn: it gets on.
  case goOn(ConnectionID)
  /// Others had their turn: what the router has still to do by itself goes on.
  case nextTurn
  /// Time passes: the monotonic clock in ns.
  case tick(nowNs: UInt64)
}
