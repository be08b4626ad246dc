import BusPorts
import BusRouting
import BusWire
import CBusPlatform
import Glibc
import Logging

extension RouterLoop {
  func perform(_ action: RouterAction) {
    switch action {
    case .send(let connection, let delivery, let frame, let token):
      send(frame, delivery, token, to: connection)
    case .close(let token): table.close(token)
    case .drop(let connection, let reason):
      logger.debug("connection \(connection.value) is dropped: \(reason)")
      end(connection)
    case .log(let importance, let text): log(importance, text)
    }
  }

  private func log(_ importance: Importance, _ text: String) {
    let level: Logger.Level =
      switch importance {
      case .debug: .debug
      case .notice: .notice
      case .warning: .warning
      }
    logger.log(level: level, "\(text)")
  }

  private func send(
    _ frame: RouterFrame, _ delivery: Delivery, _ token: DescriptorToken?,
    to connection: ConnectionID
  ) {
    guard links[connection] != nil else { return }
    let request: UInt32 = if case .answer(let number) = delivery { number } else { 0 }
    if let token { table.retain(token) }
    let wasEmpty = links[connection]?.queue.isEmpty ?? true
    let dropped = links[connection]?.queue.add(frame.encode(request: request), delivery, token)
    for token in dropped ?? [] { table.release(token) }
    guard links[connection]?.queue.answerBytes ?? 0 <= OutQueue.answerBytesMost else {
      logger.notice("connection \(connection.value) does not read its answers: it is dropped")
      end(connection)
      return
    }
    // Whoever has something waiting is served when its socket has room again.
    if wasEmpty { flush(connection) }
  }

  /// Sends what waits, and asks for the snapshot when news were dropped and nothing waits any more.
  ///
  /// The snapshot also waits until the kernel says that the socket has room, so that a stopped
  /// agent costs one snapshot when it reads again, not one for each time its queue is dropped.
  func flush(_ connection: ConnectionID, socketHasRoom: Bool = false) {
    guard var link = links[connection] else { return }
    // Taken out while it sends, so that its array is not copied.
    links[connection] = nil
    var progress = link.queue.send(to: link.socket, table) { table.release($0) }
    if progress == .empty, link.queue.owesSnapshot, !socketHasRoom { progress = .full }
    let owesSnapshot = progress == .empty && link.queue.owesSnapshot
    if owesSnapshot { link.queue.snapshotFollows() }
    watch(&link, connection, progress)
    links[connection] = link
    if progress == .broken {
      end(connection)
    } else if owesSnapshot {
      handle(.drained(connection))
    }
  }

  private func watch(_ link: inout Link, _ connection: ConnectionID, _ progress: OutQueue.Progress)
  {
    var wanted: UInt32 = 0
    if link.queue.answers == 0 { wanted |= UInt32(PLAT_WANT_READ) }
    if progress == .full { wanted |= UInt32(PLAT_WANT_WRITE) }
    if progress == .starved { starved.insert(connection) }
    guard wanted != link.wanted else { return }
    link.wanted = wanted
    plat_watch_change(poller, link.socket, Self.key(.socket, connection), wanted)
  }

  func retryStarved() {
    let waiting = starved
    starved = []
    for connection in waiting { flush(connection) }
  }
}
