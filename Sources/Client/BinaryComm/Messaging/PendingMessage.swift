import BusWire

/// A message that is to be sent, without its payload.
package struct OutboundHeader: Sendable {
  package var type: MessageType
  /// Index of the name it is addressed to; nil: to the peer itself.
  package var recipient: Int?
  package var flags: MessageFlags = []
  package var correlationId: UInt32 = 0
  package var priority: Priority?
  package var context = MessageContext()

  /// The header of a message, by default to the peer itself.
  package init(
    type: MessageType, recipient: Int? = nil, flags: MessageFlags = [], correlationId: UInt32 = 0,
    priority: Priority? = nil, context: MessageContext = MessageContext()
  ) {
    self.type = type
    self.recipient = recipient
    self.flags = flags
    self.correlationId = correlationId
    self.priority = priority
    self.context = context
  }

  /// Somebody waits for it, or for what comes of it.
  package var isAwaited: Bool { type == .request || type == .response || type == .error }
}

/// A message that waits: for a log to its peer, or for room in it.
package struct PendingMessage: Sendable {
  package let header: OutboundHeader
  package let payload: [UInt8]
  /// When it began to wait for its lane.
  package var keptNs: UInt64 = 0
  /// When nobody wants it any more; nil: that is not known.
  package var deadlineNs: UInt64?

  /// A message that waits from a time on, for as long as it may.
  package init(
    header: OutboundHeader, payload: [UInt8], keptNs: UInt64 = 0, deadlineNs: UInt64? = nil
  ) {
    self.header = header
    self.payload = payload
    self.keptNs = keptNs
    self.deadlineNs = deadlineNs
  }
}

/// One lane of one peer.
package struct LaneKey: Hashable {
  /// The peer's index.
  package let peer: Int
  package let lane: Lane

  /// Where the lane is among those of its peer.
  @inline(__always)
  package var place: Int { Int(lane.rawValue) }

  /// A lane of the peer with an index.
  package init(peer: Int, lane: Lane) {
    self.peer = peer
    self.lane = lane
  }
}
