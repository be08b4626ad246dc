import BusPorts
import BusWire

// What the router vouches for, so that the next one need not believe what it is told.

extension RouterState {
  func seal(_ bytes: [UInt8]) -> ControlTicket { ControlTicket(sealer.seal(bytes)) ?? .none }

  func verifies(_ ticket: ControlTicket, for bytes: [UInt8]) -> Bool {
    sealer.verifies(ticket.bytes, for: bytes)
  }

  /// What a ticket vouches for: this process is this agent.
  func ticketBytes(
    _ name: String, _ uuid: BusUUID, _ incarnation: Incarnation, _ peer: Peer
  ) -> [UInt8] {
    Statement.agent.bytes(
      [
        uuid.high, uuid.low, incarnation.value, UInt64(bitPattern: Int64(peer.pid)),
        peer.startTime,
      ], name)
  }

  /// What a stream's proof vouches for: this number was given to this publisher, on this channel.
  func proofBytes(_ stream: StreamID, _ channel: String, of publisher: Incarnation) -> [UInt8] {
    Statement.stream.bytes([stream.value, publisher.value], channel)
  }
}

/// What is stated; its number comes first, so that no statement can be taken for one of another
/// kind.
private enum Statement: UInt64 {
  case agent = 1
  case stream = 2

  /// The length before the text keeps two statements from running together.
  func bytes(_ numbers: [UInt64], _ text: String) -> [UInt8] {
    var bytes: [UInt8] = []
    for number in [rawValue] + numbers + [UInt64(text.utf8.count)] {
      for place in 0..<8 {
        bytes.append(UInt8(truncatingIfNeeded: number >> UInt64(8 * place)))
      }
    }
    return bytes + Array(text.utf8)
  }
}
