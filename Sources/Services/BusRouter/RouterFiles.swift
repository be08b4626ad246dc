import BusRouting
import Logging

/// The two names by which a router is found, looked after for as long as it runs.
///
/// Whoever cleans up a directory may remove them; then they are made again. What another router has
/// made is left alone, and said once; where that one has stayed, this router never comes back: its
/// agents would not be known when the other ends.
final class RouterFiles {
  private var lock: RouterLock
  private var listener: Listener
  private let directory: RunDirectory
  private let openToOtherUsers: Bool
  private let logger: Logger
  /// Looks in a row that found what is not ours.
  private var failures = 0
  /// So many looks in a row that find another router there, and the place is that one's.
  private static let looksUntilDisplaced = 5
  private var isDisplaced = false

  init(
    _ directory: RunDirectory, freshKey: [UInt8], openToOtherUsers: Bool, logger: Logger
  ) throws(RouterFailure) {
    self.directory = directory
    self.openToOtherUsers = openToOtherUsers
    self.logger = logger
    let lock = try RouterLock(directory.lockPath, freshKey: freshKey)
    do {
      listener = try Listener(directory.socketPath, openToOtherUsers: openToOtherUsers)
    } catch {
      lock.giveUp()
      throw error
    }
    self.lock = lock
  }

  /// The key of the tickets.
  var key: [UInt8] { lock.key }
  /// The router whose key it was.
  var former: FormerRouter { lock.former }
  /// Where agents connect.
  var socket: Int32 { listener.descriptor }

  /// Makes again what was removed; returns the socket that agents connect to from now on, when it
  /// is another one: then `leaving` was called, after which the former one is closed.
  func tend(leaving: () -> Void) -> Int32? {
    guard !isDisplaced else { return nil }
    guard !lock.isInPlace || !listener.isInPlace else {
      failures = 0
      return nil
    }
    do {
      // Without the lock nothing is touched: whoever holds it may be about to bind the socket.
      if !lock.isInPlace {
        lock = try RouterLock(again: directory.lockPath, key: lock.key)
        say("The lock file \(directory.lockPath) was removed: it is made again.")
      }
      guard !listener.isInPlace else { return nil }
      let next = try Listener(directory.socketPath, openToOtherUsers: openToOtherUsers)
      leaving()
      listener = next
      say("The socket \(directory.socketPath) was removed: it is made again.")
      return listener.descriptor
    } catch {
      // Not at the first look: a router that finds this one and gives up holds the lock meanwhile.
      failures += 1
      if failures == 2 {
        logger.error("What agents find here is not this router any more. \(error)")
      }
      isDisplaced = error.isTaken && failures >= Self.looksUntilDisplaced
      return nil
    }
  }

  private func say(_ line: String) { logger.warning("\(line)") }

  /// Removes the socket and leaves the key to the next router, as far as they are this one's.
  ///
  /// `leavingAgents`: whether there may be agents that come back to that one.
  func end(leavingAgents: Bool) {
    listener.remove()
    lock.end(leavingAgents: leavingAgents)
  }
}
