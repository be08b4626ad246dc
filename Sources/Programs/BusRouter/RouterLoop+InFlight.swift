import BusMemory
import BusPorts
import BusRouting
import Glibc

/// Descriptors in flight: sent, and not taken by whoever they were sent to.
///
/// The kernel counts them against the limit of descriptors of the sender until the process at the
/// other end reads or ends, whether the connection still stands or not (unix(7), ETOOMANYREFS). So
/// that agents which do not read leave the router some for the others, those of one user get at
/// first as they come, beyond a quarter of the limit only when they have read all that came before,
/// and beyond half of it, if it is not the router's own user, none.
extension RouterLoop {
  /// A dropped connection whose agent has not read all that was sent to it.
  struct LeftSocket {
    let socket: Int32
    let user: UInt32
    let inFlight: Int
  }

  /// How often it is looked whether an agent has read that a descriptor waits for.
  static let readCheckMs: Int32 = 5

  private func isAboveQuarter(_ user: UInt32) -> Bool {
    (users[user]?.inFlight ?? 0) >= descriptorsMost / 4
  }

  private func isAboveShare(_ user: UInt32) -> Bool {
    user != geteuid() && (users[user]?.inFlight ?? 0) >= limits.share(of: descriptorsMost)
  }

  /// Whether a descriptor may be sent over a socket now; `inFlight` is what may lie unread in it.
  func mayHandOver(_ inFlight: inout Int, to socket: Int32, of user: UInt32) -> OutQueue.HandOver {
    guard isAboveQuarter(user) else { return .now }
    countAgain(user)
    if inFlight > 0, Kernel.isRead(socket) {
      users[user]?.inFlight -= inFlight
      inFlight = 0
    }
    guard isAboveQuarter(user) else { return .now }
    if inFlight > 0 { return .whenRead }
    return isAboveShare(user) ? .whenOthersRead : .now
  }

  /// Sends what waited for agents to read, if they have.
  func tendUnread() {
    guard !unread.isEmpty else { return }
    let now = HostClock.monotonicNs()
    guard now >= readCheckedNs &+ UInt64(Self.readCheckMs) * 1_000_000 else { return }
    readCheckedNs = now
    for connection in unread where links[connection].map({ Kernel.isRead($0.socket) }) ?? true {
      flush(connection)
    }
  }

  /// Looks who of a user's agents has read, once between two ticks.
  private func countAgain(_ user: UInt32) {
    guard counted.insert(user).inserted else { return }
    for (connection, link) in links where link.peer.uid == user && link.inFlight > 0 {
      guard Kernel.isRead(link.socket) else { continue }
      users[user]?.inFlight -= link.inFlight
      links[connection]?.inFlight = 0
    }
  }

  /// Closes the socket of a connection that ended; one in which something lies unread only when
  /// that is read, so that it goes on being counted.
  func leave(_ socket: Int32, of user: UInt32, inFlight: Int) {
    guard inFlight > 0, !Kernel.isRead(socket) else {
      users[user]?.inFlight -= inFlight
      hangUp(socket, of: user)
      return
    }
    _ = shutdown(socket, Int32(SHUT_RDWR))
    users[user]?.leftSockets += 1
    left.append(LeftSocket(socket: socket, user: user, inFlight: inFlight))
  }

  /// Once a second: closes sockets of dropped connections whose agents have read or ended.
  func tendLeft() {
    counted = []
    let read = left.filter { Kernel.isRead($0.socket) }
    guard !read.isEmpty else { return }
    left.removeAll { one in read.contains { $0.socket == one.socket } }
    for one in read {
      users[one.user]?.leftSockets -= 1
      users[one.user]?.inFlight -= one.inFlight
      hangUp(one.socket, of: one.user)
    }
  }
}
