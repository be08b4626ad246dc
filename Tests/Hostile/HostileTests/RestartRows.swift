import BusTestSupport
import BusWire
import Glibc

// Attacks on a router that has just followed another one: peers that say they come back.

enum RestartRows {
  static var all: [AttackRow] {
    [(SIGKILL, "a kill"), (SIGTERM, "an orderly end")].flatMap { signal, name in
      [tickets(after: signal, name), noKey(after: signal, name), streams(after: signal, name)]
    }
  }

  /// A router of a row's own, and the one that follows it.
  final class Succession {
    private(set) var router: Child
    private let directory: String

    init(_ stand: Stand) throws {
      directory = try stand.privateDirectory()
      router = try Self.start(directory)
    }

    deinit { router.kill() }

    private static func start(_ directory: String) throws -> Child {
      // Who comes back in time is not what is attacked here.
      let router = try Child.start(
        try Programs.path("msg_router"), ["--dir", directory, "--json", "--grace", "60"])
      try router.waitForLine(containing: "\"event\":\"ready\"")
      return router
    }

    func peer() throws -> HostilePeer { try HostilePeer("\(directory)/router.sock") }

    func removeKey() { unsafe unlink("\(directory)/router.lock") }

    func replace(endedBy signal: Int32, between: () -> Void = {}) throws {
      router.signal(signal)
      try router.wait()
      between()
      router = try Self.start(directory)
    }
  }

  /// Comes back under a name and a number; says what the router answers.
  static func comeBack(
    _ peer: HostilePeer, _ name: String, _ incarnation: UInt64, _ ticket: [UInt8]
  ) throws -> String {
    let uuid = BusUUID(agentName: name)
    let segment = try RawReaderSegment(owner: uuid, incarnation: incarnation)
    var frame = RawFrame(kind: 16)
    frame.text(Array(name.utf8))
    frame.text([])
    for byte in uuid.bytes { frame.number(UInt64(byte), 1) }
    frame.number(incarnation, 8)
    for byte in ticket { frame.number(UInt64(byte), 1) }
    guard let answer = try peer.ask(frame, [segment.memory.descriptor]) else { return "closed" }
    return answer.errorCode?.name ?? "\(answer.kind)"
  }

  /// The ticket in the answer to a registration.
  private static func ticket(_ peer: HostilePeer, _ name: String) throws -> [UInt8] {
    try peer.hello()
    let uuid = BusUUID(agentName: name)
    let segment = try RawReaderSegment(owner: uuid, incarnation: peer.incarnation)
    guard let answer = try peer.register(name, uuid, segment),
      answer.kind == RawReply.Kind.registered
    else { throw SetUpFailure("\(name) was not registered") }
    return Array(answer.body[24..<56])
  }

  // MARK: Tickets

  private static func tickets(after signal: Int32, _ ending: String) -> AttackRow {
    AttackRow("restart: tickets forged, another's and none, after \(ending)") {
      stand, report in
      let succession = try Succession(stand)
      let (owner, thief) = (try succession.peer(), try succession.peer())
      let ticket = try Self.ticket(owner, "kit.owner")
      let another = try Self.ticket(thief, "kit.thief")
      let number = owner.incarnation
      try succession.replace(endedBy: signal)
      let attacker = try succession.peer()
      try attacker.hello()
      let before = attacker.framesReceived
      var tried = 0
      var flipped = ticket
      flipped[31] ^= 1
      for forged in [another, flipped, [UInt8](repeating: 0, count: 32)] {
        for name in ["kit.thief", "kit.owner", "kit.nobody"] {
          for claimed in [number, number + 100, 1, .max] {
            let found = try comeBack(attacker, name, claimed, forged)
            report.result(found, is: "FENCED", "\(name) as \(claimed)")
            tried += 1
          }
        }
      }
      report.work(attacker.framesReceived - before, atMost: tried, "frames of the router")
      let cut = try succession.peer()
      try cut.hello()
      report.result(try comeBack(cut, "kit.owner", number, []), is: "INVALID", "no ticket")
      let back = try succession.peer()
      try back.hello()
      report.result(try comeBack(back, "kit.owner", number, ticket), is: "102", "the owner")
      for peer in [owner, thief, attacker, cut, back] { peer.leave() }
    }
  }

  // MARK: Streams

  private static func streams(after signal: Int32, _ ending: String) -> AttackRow {
    AttackRow("restart: another's stream under a log of one's own, after \(ending)") {
      stand, report in
      let succession = try Succession(stand)
      let owner = try MessageSender(succession.peer(), "kit.owner")
      let thief = try MessageSender(succession.peer(), "kit.thief")
      try succession.replace(endedBy: signal)
      let peer = try succession.peer()
      report.result(try thief.comeBack(peer), is: "102", "the thief's own return")
      let before = peer.framesReceived
      var tried = 0
      for proof in [thief.proof, owner.proof, thief.ticket, [UInt8](repeating: 0, count: 32)] {
        for retired in [0, 1] as [UInt64] {
          let found = try thief.restore(peer, owner.stream, proof, retired: retired)
          report.result(found, is: "FENCED", "the owner's number")
          tried += 1
        }
      }
      report.result(
        try thief.restore(peer, owner.stream + 1, thief.proof), is: "FENCED", "a free number")
      report.work(peer.framesReceived - before, atMost: tried + 1, "frames of the router")
      report.result(try thief.restore(peer, thief.stream, thief.proof), is: "103", "its own")
      let back = try succession.peer()
      report.result(try owner.comeBack(back), is: "102", "the owner's return")
      report.result(try owner.restore(back, owner.stream, owner.proof), is: "103", "the owner's")
      for peer in [owner.peer, thief.peer, peer, back] { peer.leave() }
    }
  }

  /// A raw peer with one stream, and what the router gave it for both.
  struct MessageSender {
    let peer: HostilePeer
    let name: String
    let ticket: [UInt8]
    let stream: UInt64
    let proof: [UInt8]
    private let log: RawLog

    init(_ peer: HostilePeer, _ name: String) throws {
      (self.peer, self.name) = (peer, name)
      ticket = try RestartRows.ticket(peer, name)
      log = try RawLog(
        owner: BusUUID(agentName: name), incarnation: peer.incarnation, channel: "kit")
      guard let answer = try peer.restore(log), answer.kind == RawReply.Kind.logAdded else {
        throw SetUpFailure("the log of \(name) was not taken")
      }
      stream = answer.number(0, 8)
      // Behind the stream, the generation, and a list of nobody.
      proof = Array(answer.body[14..<46])
    }

    /// Returns as itself.
    func comeBack(_ peer: HostilePeer) throws -> String {
      try peer.hello()
      return try RestartRows.comeBack(peer, name, self.peer.incarnation, ticket)
    }

    /// Hands its log in under a number.
    func restore(
      _ peer: HostilePeer, _ stream: UInt64, _ proof: [UInt8], retired: UInt64 = 0
    ) throws -> String {
      var frame = RawFrame(kind: 17)
      frame.number(stream, 8)
      frame.text(Array(log.channel.utf8))
      frame.number(UInt64(log.generation), 4)
      frame.number(UInt64(log.capacity), 8)
      frame.number(UInt64(log.memory.bytes), 8)
      frame.number(1 - retired, 1)
      frame.number(retired, 1)
      for byte in proof { frame.number(UInt64(byte), 1) }
      guard let answer = try peer.ask(frame, [log.memory.descriptor]) else { return "closed" }
      return answer.errorCode?.name ?? "\(answer.kind)"
    }
  }

  private static func noKey(after signal: Int32, _ ending: String) -> AttackRow {
    AttackRow("restart: the lock file is removed after \(ending)") { stand, report in
      let succession = try Succession(stand)
      let owner = try succession.peer()
      let ticket = try Self.ticket(owner, "kit.owner")
      try succession.replace(endedBy: signal, between: succession.removeKey)
      let back = try succession.peer()
      try back.hello()
      let before = back.framesReceived
      let found = try comeBack(back, "kit.owner", owner.incarnation, ticket)
      report.result(found, is: "FENCED")
      report.work(back.framesReceived - before, atMost: 1, "frames of the router")
      let anew = try succession.peer()
      try anew.register("kit.owner")
      for peer in [owner, back, anew] { peer.leave() }
    }
  }
}
