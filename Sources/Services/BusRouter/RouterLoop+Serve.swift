import BusPorts
import BusRouting
import BusSystem
import BusWire
import Glibc
import Logging

extension RouterLoop {
  /// Answers that may wait before no further request is taken.
  private static var answersMax: Int { 16 }

  func serve(_ connection: ConnectionID, _ ready: ReadyDescriptor) {
    if ready.canWrite { flush(connection, socketHasRoom: true) }
    if ready.canRead { _ = receive(connection) }
    // Frames that came before the end are read first; only then is a hang-up the end.
    if ready.hasHungUp, !ready.canRead, hasTurn(connection) { end(connection) }
  }

  /// Ends an agent whose process has ended, after what it still said.
  ///
  /// Else it would be lost that it closed a stream. A child that inherited the socket could go on
  /// talking; that ends here, too.
  func bury(_ connection: ConnectionID) {
    guard hasTurn(connection) else { return }
    buried = connection
    for _ in 0..<Self.recordsPerTurn where links[connection] != nil {
      guard receive(connection) else { break }
    }
    buried = nil
    end(connection)
  }

  /// Takes the frames of one turn; returns whether more may be waiting.
  private func receive(_ connection: ConnectionID) -> Bool {
    guard hasTurn(connection) else { return true }
    var room = [UInt8](repeating: 0, count: ControlFormat.frameBytesMax + 1)
    for _ in 0..<Self.recordsPerTurn where hasTurn(connection) {
      guard let link = links[connection], link.queue.answers < Self.answersMax,
        !unfinished.contains(connection)
      else {
        stopReading(connection)
        return false
      }
      guard !closesTooMuch(link.peer.uid, hasPart: link.handedInOther) else {
        sayClosesTooMuch(link.peer.uid)
        end(connection)
        return false
      }
      switch RecordSocket.receive(link.socket, &room) {
      case .nothing: return false
      case .starved:
        // The socket stays readable meanwhile: without a pause the loop would spin.
        SystemThread.sleep(milliseconds: 1)
        return false
      case .ended:
        end(connection)
        return false
      case .record(let record) where !record.mayBeFrame:
        discard(record.descriptors, connection, link.peer.uid)
        let text =
          "A frame has at most \(ControlFormat.frameBytesMax) bytes and "
          + "\(ControlFormat.descriptorsMax) descriptors."
        let work = handle(.unreadable(connection, request: 0, .invalid, text))
        spend(work, connection, of: link.peer.uid)
        return false
      case .record(let record):
        let work = handle(record, connection, link.peer.uid)
        spend(work, connection, of: link.peer.uid)
      }
    }
    return true
  }

  /// Notes what a frame has cost, which its connection may not have survived.
  private func spend(_ work: Int, _ connection: ConnectionID, of user: UInt32) {
    if links[connection] == nil {
      turns.spend(work, of: user)
    } else {
      turns.spend(work, connection, of: user)
    }
  }

  /// Whether frames of a connection are taken now; of one whose process has ended, the last ones.
  private func hasTurn(_ connection: ConnectionID) -> Bool {
    guard buried != connection, let user = links[connection]?.peer.uid else { return true }
    return turns.mayGo(connection, of: user)
  }

  /// Acts on one record; returns how much work that was.
  private func handle(
    _ record: RecordSocket.Record, _ connection: ConnectionID, _ user: UInt32
  ) -> Int {
    let (bytes, descriptors) = (record.bytes, record.descriptors)
    let request: UInt32
    let frame: AgentFrame
    do {
      (request, frame) = try AgentFrame.decode(bytes)
    } catch {
      discard(descriptors, connection, user)
      var code = BusErrorCode.invalid
      if case .version = error { code = .incompatibleVersion }
      let asked = ControlFormat.request(of: bytes)
      return handle(
        .unreadable(connection, request: asked, code, "Not a valid frame: \(error)."))
    }
    let (segments, looked) = segments(of: record, with: frame, connection, user)
    let work = handle(.frame(connection, request: request, frame, segments))
    return 1 + work + Int(looked / Self.bytesPerAction)
  }

  /// The agent's process or socket has ended, or the router gives it up.
  func end(_ connection: ConnectionID) {
    guard let link = links.removeValue(forKey: connection) else { return }
    starved.remove(connection)
    unfinished.remove(connection)
    turns.end(connection)
    snapshots.end(connection)
    owedSnapshots.remove(connection)
    unread.remove(connection)
    crowded.remove(connection)
    users[link.peer.uid]?.queuedBytes -= link.queue.bytes
    users[link.peer.uid]?.connections -= 1
    unwatch(link)
    Glibc.close(link.pidfd)
    leave(link.socket, of: link.peer.uid, inFlight: link.inFlight.count)
    for token in link.queue.tokens { table.release(token) }
    // What an end costs its user's others wait for: a process may have had a thousand connections.
    let work = handle(.disconnected(connection))
    turns.spend(work, of: link.peer.uid)
  }

  /// Ends a connection and closes its socket.
  ///
  /// What the agent still sent is taken first: a socket closed over unread records would show it a
  /// reset before the last answer, and the kernel would close the descriptors beside them here.
  func hangUp(_ socket: Int32, of user: UInt32) {
    _ = shutdown(socket, Int32(SHUT_RDWR))
    var room = [UInt8](repeating: 0, count: 64)
    for _ in 0..<Self.recordsPerTurn {
      switch RecordSocket.receive(socket, &room) {
      case .nothing, .starved, .ended:
        close(socket)
        return
      case .record(let record): closer.close(record.descriptors, of: user)
      }
    }
    closer.close([socket], of: user)
  }

  /// Whether so much that agents of a user handed in waits to be closed that no more is taken from
  /// them; of the router's own user, which could end it as well, from those that had a part in it.
  func closesTooMuch(_ user: UInt32, hasPart: Bool) -> Bool {
    (hasPart || user != geteuid()) && closer.count(of: user) >= limits.closingPerUser
  }

  /// Tells the operator of it.
  func sayClosesTooMuch(_ user: UInt32) {
    say(
      .warning,
      "\(limits.closingPerUser) descriptors of user \(user) that are no memory files cannot be "
        + "closed: its agents are dropped")
  }
}

extension RecordSocket.Record {
  /// Whether it has what a frame has at most, and all bytes came.
  fileprivate var mayBeFrame: Bool {
    !isTruncated && !bytes.isEmpty && descriptors.count <= ControlFormat.descriptorsMax
  }
}
