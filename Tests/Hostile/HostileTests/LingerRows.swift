import BinaryComm
import BusTestSupport
import CBusPlatform
import Glibc

// Descriptors whose close waits for whoever made them, in every place in which the router might
// close them: its loop serves everybody, and must not be the one who waits.

enum LingerRows {
  static var all: [AttackRow] { ways.map(row) + [withoutEnd] }

  /// How a descriptor reaches the router.
  struct Way: Sendable {
    let name: String
    /// What becomes of the connection.
    let result: String
    let send: @Sendable (HostilePeer, Int32) throws -> Void
  }

  private static let ways = [
    Way(name: "beside a frame that takes none", result: "it ends") { peer, socket in
      try peer.send(unsubscribe, [socket])
    },
    Way(name: "beside a frame that takes a segment", result: "it goes on") { peer, socket in
      var frame = RawFrame(kind: 30)
      frame.number(0, 2)
      frame.number(24576, 8)
      try peer.send(frame.bytes, [socket])
    },
    Way(name: "one of three", result: "it ends") { peer, socket in
      try peer.send(unsubscribe, [socket, socket, socket])
    },
    Way(name: "beside bytes that are no frame", result: "it ends") { peer, socket in
      try peer.send([1, 2, 3], [socket])
    },
    Way(name: "behind bytes that are no frame", result: "it ends") { peer, socket in
      try peer.send([1, 2, 3])
      try peer.send(unsubscribe, [socket])
    },
    Way(name: "far behind bytes that are no frame", result: "it ends") { peer, socket in
      try peer.send([1, 2, 3])
      for _ in 0..<40 { try peer.send(unsubscribe) }
      try peer.send(unsubscribe, [socket])
    },
  ]

  private static var unsubscribe: [UInt8] {
    var frame = RawFrame(kind: 7)
    frame.number(1, 4)
    return frame.bytes
  }

  private static func row(_ way: Way) -> AttackRow {
    AttackRow("linger: a socket whose close waits, \(way.name)") { stand, report in
      let peer = try stand.attacker("kit.linger")
      let pair = try LingeringPair()
      try stand.whileRouterStands {
        try way.send(peer, pair.lingering)
        // From here on the router's descriptor is the last one, whose close waits.
        pair.letGo()
      }
      let goesOn = try peer.ask(queryOfRouter) != nil
      report.result(goesOn ? "it goes on" : "it ends", is: way.result)
      let newcomer = try stand.victim("kit.newcomer")
      report.holds(newcomer.isConnected, "a newcomer is not served")
      report.work(1, atMost: 1, "descriptors")
      newcomer.close()
      pair.end()
    }
  }

  private static var queryOfRouter: RawFrame {
    var frame = RawFrame(kind: 14)
    frame.number(1, 1)
    return frame
  }

  /// So many that the threads that close wait, and what comes behind them piles up.
  private static let withoutEnd = AttackRow("linger: sockets whose close waits, without end") {
    stand, report in
    let peer = try stand.attacker("kit.linger")
    let pairs = try (0..<8).map { _ in try LingeringPair() }
    try stand.whileRouterStands {
      for pair in pairs {
        try peer.send(unsubscribe, [pair.lingering])
        pair.letGo()
      }
    }
    let other = unsafe open("/dev/null", O_RDONLY | O_CLOEXEC)
    var taken = 0
    while taken < 1000, try peer.send(unsubscribe, [other]) { taken += 1 }
    report.result(taken < 1000 ? "it ends" : "it goes on", is: "it ends")
    // As many as wait at most, and what lay in the socket meanwhile.
    report.work(taken, atMost: 256 + 300, "descriptors taken")
    let newcomer = try stand.victim("kit.newcomer")
    report.holds(newcomer.isConnected, "a newcomer is not served")
    newcomer.close()
    close(other)
    for pair in pairs { pair.end() }
  }
}

/// A TCP connection to oneself that is full, and whose close waits for an hour until it is read.
private final class LingeringPair: @unchecked Sendable {
  // @unchecked Sendable: one row uses it.
  private(set) var lingering: Int32
  private var unread: Int32 = -1

  init() throws {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    defer { close(listener) }
    lingering = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let connected = unsafe withUnsafeMutablePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe bind(listener, $0, size) == 0 && listen(listener, 1) == 0
          && getsockname(listener, $0, &size) == 0 && connect(lingering, $0, size) == 0
      }
    }
    unread = accept(listener, nil, nil)
    var longest = Glibc.linger(l_onoff: 1, l_linger: 3600)
    let isSet = unsafe setsockopt(
      lingering, SOL_SOCKET, SO_LINGER, &longest, socklen_t(MemoryLayout<Glibc.linger>.size))
    guard connected, unread >= 0, isSet == 0 else { throw SetUpFailure("no pair: \(errno)") }
    let block = [UInt8](repeating: 7, count: 65536)
    while unsafe send(lingering, block, block.count, Int32(MSG_DONTWAIT)) > 0 {}
  }

  deinit { end() }

  /// Closes the own descriptor while others still hold it.
  func letGo() {
    if lingering >= 0 { close(lingering) }
    lingering = -1
  }

  /// Ends the connection: nobody waits any more.
  func end() {
    if unread >= 0 { close(unread) }
    unread = -1
    letGo()
  }
}

extension Stand {
  /// Does something while the router is stopped, so that it finds all of it at once.
  fileprivate func whileRouterStands(_ body: () throws -> Void) throws {
    guard let router else { throw SetUpFailure("no router") }
    kill(router.pid, SIGSTOP)
    defer { kill(router.pid, SIGCONT) }
    try body()
  }
}
