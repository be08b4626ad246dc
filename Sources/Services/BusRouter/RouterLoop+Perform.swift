import BusMemory
import BusPorts
import BusRouting
import BusWire
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
    case .unfinished(let connection): unfinished.insert(connection)
    case .moreToDo: moreToDo = true
    case .log(let importance, let text): log(importance, text)
    }
  }

  private func log(_ importance: LogImportance, _ text: String) {
    let level: Logger.Level =
      switch importance {
      case .debug: .debug
      case .notice: .notice
      case .warning: .warning
      }
    logger.log(level: level, "\(text)")
  }

  /// Tells the operator; equal lines are counted.
  func say(_ level: Logger.Level, _ line: String) {
    let isShown = level >= logger.logLevel
    if lines.isFirst(line, isShown: isShown) { logger.log(level: level, "\(line)") }
  }

  private func send(
    _ frame: RouterFrame, _ delivery: Delivery, _ token: DescriptorToken?,
    to connection: ConnectionID
  ) {
    // No copy of the link is kept while frames are added: each would copy all that wait.
    guard
      let (user, before, wasEmpty) = links[connection].map({ link in
        (link.peer.uid, link.queue.bytes, link.queue.isEmpty)
      })
    else { return }
    let request: UInt32 = if case .answer(let number) = delivery { number } else { 0 }
    if let token { table.retain(token) }
    let dropped = links[connection]?.queue.add(frame.encode(request: request), delivery, token)
    for token in dropped ?? [] { table.release(token) }
    let after = links[connection]?.queue.bytes ?? 0
    users[user]?.queuedBytes += after - before
    guard links[connection]?.queue.answerBytes ?? 0 <= OutQueue.answerBytesMax else {
      say(.notice, "a connection does not read its answers: it is dropped")
      end(connection)
      return
    }
    // Whoever has something waiting is served when its socket has room again.
    if wasEmpty { flush(connection) }
    let queued = users[user]?.queuedBytes ?? 0
    if queued > limits.queuedBytesPerUser { dropLargest(of: user) }
  }

  /// Ends the connection of a user for which most waits: all of them together may keep only so much
  /// of the router's memory.
  private func dropLargest(of user: UInt32) {
    let largest = links.filter { $0.value.peer.uid == user }.max { left, right in
      (left.value.queue.bytes, left.key.value) < (right.value.queue.bytes, right.key.value)
    }
    guard let largest else { return }
    say(
      .notice,
      "more than \(limits.queuedBytesPerUser) bytes wait for agents of user \(user) that do not "
        + "read: the one with most is dropped")
    end(largest.key)
  }

  /// Sends what waits, and asks for the snapshot when news were dropped and nothing waits any more.
  ///
  /// The snapshot also waits until the kernel says that the socket has room, so that a stopped
  /// agent costs one snapshot when it reads again, not one for each time its queue is dropped.
  func flush(_ connection: ConnectionID, socketHasRoom: Bool = false) {
    guard var link = links[connection] else { return }
    // Taken out while it sends, so that its array is not copied.
    links[connection] = nil
    let before = link.queue.bytes
    let (socket, user) = (link.socket, link.peer.uid)
    var inFlight = link.inFlight
    var progress = link.queue.send(
      to: socket, table, handOver: { mayHandOver(&inFlight, to: socket, of: user) }
    ) { token in
      table.release(token)
      inFlight.count += 1
      users[user]?.inFlight += 1
    }
    link.inFlight = inFlight
    users[user]?.queuedBytes += link.queue.bytes - before
    // Who has dropped news to make up for has not read, though nothing waits any more.
    if progress == .empty, link.queue.owesSnapshot, !socketHasRoom { progress = .full }
    let isToRead = progress != .empty && progress != .crowded
    if !isToRead || link.queue.bytes < before { link.unreadSinceNs = nil }
    if isToRead, link.unreadSinceNs == nil { link.unreadSinceNs = HostClock.monotonicNs() }
    let isDue = progress == .empty && link.queue.owesSnapshot
    let owesSnapshot = isDue && snapshots.mayGo(connection, of: user)
    if owesSnapshot { link.queue.snapshotFollows() }
    if isDue, !owesSnapshot { owedSnapshots.insert(connection) }
    watch(&link, connection, progress)
    links[connection] = link
    if progress == .broken {
      end(connection)
    } else if owesSnapshot {
      let work = handle(.drained(connection))
      snapshots.spend(work, connection, of: user)
    }
  }

  private func watch(_ link: inout Link, _ connection: ConnectionID, _ progress: OutQueue.Progress)
  {
    var wanted: Interest = []
    if link.queue.answers == 0 { wanted.insert(.reading) }
    if progress == .full { wanted.insert(.writing) }
    if progress == .starved { starved.insert(connection) }
    unread.remove(connection)
    if progress == .crowded || progress == .unread && isUnreadForLong(link) {
      crowded.insert(connection)
    } else if progress == .unread {
      unread.insert(connection)
    }
    guard wanted != link.wanted else { return }
    link.wanted = wanted
    rewatch(link.socket, connection, for: wanted)
  }

  /// Is told no more that frames wait, until what keeps them waiting is sent: or the kernel would
  /// tell it again at once, for ever.
  func stopReading(_ connection: ConnectionID) {
    guard let link = links[connection], link.wanted.contains(.reading) else { return }
    let wanted = link.wanted.subtracting(.reading)
    links[connection]?.wanted = wanted
    rewatch(link.socket, connection, for: wanted)
  }

  /// Once a second: tries again what the kernel was short for, gives up agents that do not read.
  func tendLinks() {
    let now = HostClock.monotonicNs()
    for line in lines.due(now) { logger.notice("\(line)") }
    endUnread(now)
    counted = []
    tendLeft()
    let waiting = starved.union(crowded)
    starved = []
    crowded = []
    for connection in waiting { flush(connection) }
  }

  /// Ends agents that have not read for long; those that the kernel has no room for may have.
  private func endUnread(_ now: UInt64) {
    let nsMax = UInt64(limits.unreadMs) * 1_000_000
    for (connection, link) in links where !starved.contains(connection) {
      guard let sinceNs = link.unreadSinceNs, now >= sinceNs &+ nsMax else { continue }
      say(.notice, "an agent does not read what the router sends: it is dropped")
      end(connection)
    }
  }
}
