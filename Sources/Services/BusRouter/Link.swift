import BusPorts
import BusRouting
import BusSystem
import CBusPlatform
import Glibc

/// One agent's connection: its socket, its process, and what waits for it.
struct Link {
  let socket: Int32
  let pidfd: Int32
  let peer: Peer
  var queue = OutQueue()
  /// What its socket is watched for.
  var wanted: Interest = .reading
  /// Whether it handed in what is no memory file.
  var handedInOther = false
  var inFlight = InFlight()
  /// Since when the agent has taken nothing of what waits; monotonic ns.
  var unreadSinceNs: UInt64?
}

/// What was sent over a socket and may not have been read.
struct InFlight {
  /// Descriptors.
  var count = 0
  /// Descriptors that may follow before it is looked again whether the agent has read.
  var allowed = 0
}

/// Finds out who is at the other end of a socket, beyond doubt.
enum PeerCheck {
  /// The peer and a descriptor of its process, or a sentence that says why it is not known.
  static func identify(_ socket: Int32) -> Result<(peer: Peer, pidfd: Int32), PeerUnknown> {
    var pid: pid_t = 0
    var uid: uid_t = 0
    var gid: gid_t = 0
    guard unsafe plat_peer_credentials(socket, &pid, &uid, &gid) == 0, pid > 0 else {
      return .failure(PeerUnknown("its process is in another pid name space"))
    }
    var before: UInt64 = 0
    var after: UInt64 = 0
    guard unsafe plat_start_time(pid, &before) == 0 else {
      return .failure(PeerUnknown("its process has ended", hasEnded: true))
    }
    var pidfd = plat_peer_pidfd(socket)
    if pidfd == -ENOPROTOOPT { pidfd = plat_pidfd_open(pid) }
    guard pidfd >= 0 else { return .failure(PeerUnknown(Errno.text(-pidfd))) }
    // A number may be taken by a later process: both looks must find the same one, whose socket
    // is still open, so that it cannot have ended in between.
    guard unsafe plat_start_time(pid, &after) == 0, before == after, plat_hung_up(socket) == 0
    else {
      Glibc.close(pidfd)
      return .failure(PeerUnknown("its process has ended", hasEnded: true))
    }
    return .success((Peer(pid: pid, uid: uid, startTime: before), pidfd))
  }
}

/// Why a peer is not known.
struct PeerUnknown: Error {
  let reason: String
  /// Nobody is there any more.
  let hasEnded: Bool

  init(_ reason: String, hasEnded: Bool = false) {
    self.reason = reason
    self.hasEnded = hasEnded
  }
}
