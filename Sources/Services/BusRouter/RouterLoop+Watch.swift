import BusPorts
import BusRouting
import BusSystem
import Logging

extension RouterLoop {
  /// What a watched descriptor stands for: the upper byte of its key.
  ///
  /// The rest says which connection, of which no number is given twice: what is told of one that
  /// has ended meanwhile finds nothing.
  enum Source: UInt64 {
    case listener = 1
    case signals
    case timer
    case socket
    case process
  }

  private static var sourceShift: UInt64 { 56 }

  private static func key(_ source: Source, _ connection: ConnectionID) -> WatchKey {
    WatchKey(source.rawValue << sourceShift | connection.value)
  }

  /// What a key stands for.
  static func watched(_ key: WatchKey) -> (source: Source?, connection: ConnectionID) {
    (
      Source(rawValue: key.value >> sourceShift),
      ConnectionID(key.value & (1 << sourceShift - 1))
    )
  }

  /// Watches a descriptor that belongs to no connection.
  func watch(_ descriptor: Int32, _ source: Source) throws(DispatcherError) {
    try dispatcher.watch(descriptor, as: Self.key(source, ConnectionID(0)), for: .reading)
  }

  /// Watches a new connection's socket and process; false when that cannot be.
  func watch(_ link: Link, _ connection: ConnectionID) -> Bool {
    do {
      try dispatcher.watch(link.socket, as: Self.key(.socket, connection), for: link.wanted)
    } catch {
      say(error)
      return false
    }
    do {
      try dispatcher.watch(link.pidfd, as: Self.key(.process, connection), for: .reading)
      return true
    } catch {
      stop(link.socket)
      say(error)
      return false
    }
  }

  /// Changes what a connection's socket is watched for.
  func rewatch(_ socket: Int32, _ connection: ConnectionID, for interest: Interest) {
    do { try dispatcher.change(socket, as: Self.key(.socket, connection), to: interest) } catch {
      say(error)
    }
  }

  /// Ends the watch of a connection's socket and process, which are still open.
  func unwatch(_ link: Link) {
    stop(link.socket)
    stop(link.pidfd)
  }

  /// Takes no more agents at the socket, which is closed next.
  func stopListening() { stop(listener) }

  private func stop(_ descriptor: Int32) {
    do { try dispatcher.stop(descriptor) } catch { say(error) }
  }

  /// Takes agents at another socket from now on.
  func listen(on socket: Int32) {
    listener = socket
    do {
      try watch(socket, .listener)
    } catch {
      logger.error("cannot take agents any more: \(Errno.text(error.number))")
    }
  }

  private func say(_ error: DispatcherError) {
    say(.error, "cannot watch a connection: \(error.call): \(Errno.text(error.number))")
  }
}
