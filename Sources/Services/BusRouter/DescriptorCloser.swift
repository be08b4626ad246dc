import BusSystem
import DequeModule
import Glibc
import Synchronization

/// Closes what agents handed in and what is no memory file, on threads of its own.
///
/// Closing may wait for as long as whoever made the descriptor likes: a TCP socket lingers for what
/// its other end does not read, a file of a FUSE file system for its server. The router waits for
/// nobody, so each lot is closed by a thread, a few at a time for each user.
final class DescriptorCloser: Sendable {
  private struct OfUser {
    /// Descriptors that are not closed yet.
    var open = 0
    var threads = 0
    var lots: Deque<[Int32]> = []
  }

  /// Threads that close what agents of one user handed in.
  private static let threadsMax = 4

  private let users = Mutex<[UInt32: OfUser]>([:])

  /// Descriptors that are not closed yet.
  var count: Int { users.withLock { $0.values.reduce(0) { $0 + $1.open } } }

  /// Those of one user.
  func count(of user: UInt32) -> Int { users.withLock { $0[user]?.open ?? 0 } }

  /// Closes descriptors that an agent of the user handed in, without waiting for it.
  func close(_ descriptors: [Int32], of user: UInt32) {
    guard !descriptors.isEmpty else { return }
    let startsThread = users.withLock { users in
      var one = users[user] ?? OfUser()
      one.open += descriptors.count
      one.lots.append(descriptors)
      let isRoom = one.threads < Self.threadsMax
      if isRoom { one.threads += 1 }
      users[user] = one
      return isRoom
    }
    guard startsThread else { return }
    let isStarted = SystemThread.start { [self] in
      while let lot = nextLot(of: user) { close(lot, countedFor: user) }
    }
    // No thread, no close: they stay counted, and go with the next one that starts.
    if !isStarted { users.withLock { $0[user]?.threads -= 1 } }
  }

  private func nextLot(of user: UInt32) -> [Int32]? {
    users.withLock { users in
      guard let lot = users[user]?.lots.popFirst() else {
        users[user]?.threads -= 1
        if let one = users[user], one.open == 0, one.threads == 0 { users[user] = nil }
        return nil
      }
      return lot
    }
  }

  private func close(_ lot: [Int32], countedFor user: UInt32) {
    for descriptor in lot {
      Glibc.close(descriptor)
      users.withLock { $0[user]?.open -= 1 }
    }
  }
}
