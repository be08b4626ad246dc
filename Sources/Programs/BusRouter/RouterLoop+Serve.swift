import BusRouting
import BusWire
import CBusPlatform
import Glibc

extension RouterLoop {
  /// Answers that may wait before no further request is taken.
  private static var answersMost: Int { 16 }

  func serve(_ connection: ConnectionID, _ ready: UInt32) {
    if ready & PLAT_WANT_WRITE != 0 { flush(connection, socketHasRoom: true) }
    if ready & PLAT_WANT_READ != 0 { _ = receive(connection) }
    // Frames that came before the end are read first; only then is a hang-up the end.
    if ready & PLAT_HUNG_UP != 0, ready & PLAT_WANT_READ == 0 { end(connection) }
  }

  /// Ends an agent whose process has ended, after what it still said.
  ///
  /// Else it would be lost that it closed a stream. A child that inherited the socket could go on
  /// talking; that ends here, too.
  func bury(_ connection: ConnectionID) {
    for _ in 0..<Self.recordsPerTurn where links[connection] != nil {
      guard receive(connection) else { break }
    }
    end(connection)
  }

  /// Takes the frames of one turn; returns whether more may be waiting.
  private func receive(_ connection: ConnectionID) -> Bool {
    var room = [UInt8](repeating: 0, count: ControlFormat.frameBytesMost + 1)
    for _ in 0..<Self.recordsPerTurn {
      guard let link = links[connection], link.queue.answers < Self.answersMost else {
        return false
      }
      switch Kernel.receive(link.socket, &room) {
      case .nothing: return false
      case .ended:
        end(connection)
        return false
      case .oversize:
        let text =
          "A frame has at most \(ControlFormat.frameBytesMost) bytes and "
          + "\(ControlFormat.descriptorsMost) descriptors."
        handle(.unreadable(connection, request: 0, .invalid, text))
        return false
      case .record(let bytes, let descriptors): take(bytes, descriptors, connection)
      }
    }
    return true
  }

  private func take(_ bytes: [UInt8], _ descriptors: [Int32], _ connection: ConnectionID) {
    let request: UInt32
    let frame: AgentFrame
    do {
      (request, frame) = try AgentFrame.decode(bytes)
    } catch {
      for descriptor in descriptors { close(descriptor) }
      var code = BusErrorCode.invalid
      if case .version = error { code = .incompatibleVersion }
      let asked = ControlFormat.request(of: bytes)
      handle(.unreadable(connection, request: asked, code, "Not a valid frame: \(error)."))
      return
    }
    let segments = descriptors.map { descriptor in
      let hasRoom = hasDescriptorsLeft
      let finding =
        hasRoom
        ? inspector.inspect(descriptor)
        : .noRoom("The router is out of descriptors (limit \(descriptorsMost)): end some agents.")
      return Segment(token: table.add(descriptor), finding: finding)
    }
    handle(.frame(connection, request: request, frame, segments))
  }

  /// The agent's process or socket has ended, or the router gives it up.
  func end(_ connection: ConnectionID) {
    guard let link = links.removeValue(forKey: connection) else { return }
    starved.remove(connection)
    queuedOfUser[link.peer.uid, default: 0] -= link.queue.bytes
    discardUnread(link.socket)
    plat_watch_remove(poller, link.socket)
    plat_watch_remove(poller, link.pidfd)
    link.close()
    for token in link.queue.tokens { table.release(token) }
    handle(.disconnected(connection))
  }

  /// Takes what the agent still sent: a socket closed over unread records would show the agent a
  /// reset before the last answer.
  private func discardUnread(_ socket: Int32) {
    var room = [UInt8](repeating: 0, count: 64)
    for _ in 0..<Self.recordsPerTurn {
      switch Kernel.receive(socket, &room) {
      case .nothing, .ended: return
      case .oversize: break
      case .record(_, let descriptors): for descriptor in descriptors { close(descriptor) }
      }
    }
  }
}
