import BusMemory
import BusPorts
import BusRouting
import DequeModule
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
    let sinceNs: UInt64
  }

  /// How often it is looked whether an agent has read that a descriptor waits for, while it has not
  /// waited for long.
  static let readCheckMs: Int32 = 5
  /// For how long it is; from then on once a second.
  private static let soonNs: UInt64 = 1_000_000_000
  /// How many descriptors an agent gets at once beyond the quarter when it has read all.
  private var burst: Int { max(1, min(16, inFlightMax / 256)) }
  /// Sockets of dropped connections that are looked at in one turn, and closed at one tick.
  private static let leftPerTurn = 256

  /// The limit that quarter and half are of: agents of the router's user, who raise theirs to no
  /// more, send descriptors too, and what the router has in flight counts against theirs.
  private var inFlightMax: Int { min(descriptorsMax, 65536) }

  private func isAboveQuarter(_ user: UInt32) -> Bool {
    (users[user]?.inFlight ?? 0) >= inFlightMax / 4
  }

  private func isAboveShare(_ user: UInt32) -> Bool {
    user != geteuid() && (users[user]?.inFlight ?? 0) >= limits.share(of: inFlightMax)
  }

  /// Whether the connections of a user, and what their agents have not read, leave descriptors to
  /// others; the router's own user could end it as well.
  func leavesOthersDescriptors(_ user: UInt32) -> Bool {
    guard user != geteuid() else { return true }
    func leaves() -> Bool {
      let load = users[user] ?? UserLoad()
      return load.descriptors < limits.share(of: descriptorsMax) && !isAboveShare(user)
        && load.leftSockets < inFlightMax / 16
    }
    if !leaves() { countAgain(user) }
    return leaves()
  }

  /// Whether a descriptor may be sent over a socket now.
  func mayHandOver(_ sent: inout InFlight, to socket: Int32, of user: UInt32) -> OutQueue.HandOver {
    guard isAboveQuarter(user) else { return .now }
    countAgain(user)
    if sent.allowed == 0, sent.count == 0 || Kernel.isRead(socket) {
      users[user]?.inFlight -= sent.count
      sent = InFlight(allowed: burst)
    }
    guard isAboveQuarter(user) else { return .now }
    guard sent.allowed > 0 else { return .whenRead }
    guard !isAboveShare(user) else { return .whenOthersRead }
    sent.allowed -= 1
    return .now
  }

  /// Sends what waited for agents to read, and closes what was left for them to read, if they have.
  func tendUnread() {
    guard !unread.isEmpty || !leaving.isEmpty else { return }
    let now = HostClock.monotonicNs()
    guard now >= readCheckedNs &+ UInt64(Self.readCheckMs) * 1_000_000 else { return }
    readCheckedNs = now
    for connection in unread where links[connection].map({ Kernel.isRead($0.socket) }) ?? true {
      flush(connection)
    }
    for _ in 0..<min(Self.leftPerTurn, leaving.count) {
      let one = leaving.removeFirst()
      if Kernel.isRead(one.socket) {
        close(one)
      } else if now &- one.sinceNs <= Self.soonNs {
        leaving.append(one)
      } else {
        left.append(one)
      }
    }
  }

  /// Whether an agent is looked at once a second only, for it has not read for a while.
  func isUnreadForLong(_ link: Link) -> Bool {
    guard let sinceNs = link.unreadSinceNs else { return false }
    return HostClock.monotonicNs() &- sinceNs > Self.soonNs
  }

  /// Looks who of a user's agents has read, once between two ticks.
  private func countAgain(_ user: UInt32) {
    guard counted.insert(user).inserted else { return }
    for (connection, link) in links where link.peer.uid == user && link.inFlight.count > 0 {
      guard Kernel.isRead(link.socket) else { continue }
      users[user]?.inFlight -= link.inFlight.count
      links[connection]?.inFlight.count = 0
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
    // Most have read it in a moment: the last frame says why they were dropped.
    let now = HostClock.monotonicNs()
    leaving.append(LeftSocket(socket: socket, user: user, inFlight: inFlight, sinceNs: now))
  }

  /// Once a second: closes sockets of dropped connections whose agents have read or ended.
  func tendLeft() {
    var kept: [LeftSocket] = []
    var closed = 0
    for one in left {
      guard closed < Self.leftPerTurn, Kernel.isRead(one.socket) else {
        kept.append(one)
        continue
      }
      closed += 1
      close(one)
    }
    left = kept
  }

  private func close(_ one: LeftSocket) {
    users[one.user]?.leftSockets -= 1
    users[one.user]?.inFlight -= one.inFlight
    hangUp(one.socket, of: one.user)
  }
}
