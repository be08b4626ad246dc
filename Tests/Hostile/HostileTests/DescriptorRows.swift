import BusTestSupport
import BusWire
import CBusABI
import CBusPlatform
import Glibc

// Attacks on the router with descriptors: every frame that takes one, with everything that is not
// what belongs there.

enum DescriptorRows {
  static var all: [AttackRow] {
    let places = ["register", "addLog", "addCounters", "addBlob", "reattach"]
    return places.flatMap { place in
      files.map { file in row(place, file) }
    } + sound + unseen
  }

  /// Something that a descriptor may stand for, made by the attacker.
  struct File: Sendable {
    let name: String
    let make: @Sendable (Scene) throws -> Int32
  }

  /// Who is asked for, and what is kept open until the row has ended.
  final class Scene: @unchecked Sendable {
    // @unchecked Sendable: one row uses it.
    let peer: HostilePeer
    let place: String
    private var memory: [RawMemory] = []
    private var open: [Int32] = []
    let token = BusUUID.random()
    let owner = BusUUID(agentName: "kit.descriptors")

    init(_ peer: HostilePeer, _ place: String) {
      self.peer = peer
      self.place = place
    }

    func keep(_ file: RawMemory) -> Int32 {
      memory.append(file)
      return file.descriptor
    }

    func keep(_ descriptor: Int32) throws -> Int32 {
      guard descriptor >= 0 else { throw SetUpFailure("no such descriptor here: error \(errno)") }
      open.append(descriptor)
      return descriptor
    }

    deinit { for descriptor in open { close(descriptor) } }

    /// The segment that belongs here, or one that is wrong in one property.
    func segment(
      pages: RawMemory.Pages = .all, seals: RawMemory.Seals = .required, from owner: BusUUID? = nil
    ) throws -> RawMemory {
      let (uuid, incarnation) = (owner ?? self.owner, peer.incarnation)
      switch place {
      case "addLog":
        return try RawLog(
          owner: uuid, incarnation: incarnation, channel: "kit", pages: pages, seals: seals
        ).memory
      case "addBlob":
        let token = owner == nil ? self.token : BusUUID.random()
        return try RawBlob(
          token: token, payload: 64, seals: seals == .required ? .whole : seals, pages: pages
        ).memory
      case "addCounters":
        return try RawCounters(
          owner: uuid, incarnation: incarnation, pages: pages, seals: seals
        ).memory
      default:
        return try RawReaderSegment(
          owner: uuid, incarnation: incarnation, pages: pages, seals: seals
        ).memory
      }
    }
  }

  static let files: [File] = [
    File(name: "an unsealed one") { try $0.keep($0.segment(seals: .none)) },
    File(name: "one that may shrink") { try $0.keep($0.segment(seals: .mayShrink)) },
    File(name: "one of holes") { try $0.keep($0.hollow(.none)) },
    File(name: "one whose pages lie behind its end") {
      try $0.keep($0.hollow(.beyondTheEnd))
    },
    File(name: "one of another agent") { try $0.keep($0.segment(from: .random())) },
    File(name: "one of zeros") { scene in
      let file = try RawMemory(bytes: 65536)
      try file.seal()
      return scene.keep(file)
    },
    File(name: "an empty one") { scene in
      let file = try RawMemory(bytes: 0, pages: .none)
      try file.seal()
      return scene.keep(file)
    },
    File(name: "one of a page") { scene in
      let file = try RawMemory(bytes: 4096)
      try file.seal()
      return scene.keep(file)
    },
    File(name: "a segment of another kind") { scene in
      if scene.place == "addLog" {
        return scene.keep(
          try RawReaderSegment(owner: scene.owner, incarnation: scene.peer.incarnation).memory)
      }
      return scene.keep(
        try RawLog(owner: scene.owner, incarnation: scene.peer.incarnation, channel: "kit")
          .memory)
    },
    File(name: "a directory") { try $0.keep(unsafe open("/tmp", O_RDONLY)) },
    File(name: "a path without rights (O_PATH)") { try $0.keep(unsafe open("/tmp", 0o10000000)) },
    File(name: "a file of a file system") { scene in
      try scene.keep(unsafe open("/proc/self/exe", O_RDONLY))
    },
    File(name: "a device") { try $0.keep(unsafe open("/dev/zero", O_RDWR)) },
    File(name: "a socket") { scene in
      try scene.keep(socket(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue), 0))
    },
    File(name: "an end of a pipe") { scene in
      var ends: [Int32] = [-1, -1]
      _ = unsafe pipe(&ends)
      _ = try scene.keep(ends[1])
      return try scene.keep(ends[0])
    },
    File(name: "an event counter") { try $0.keep(plat_event()) },
    File(name: "its own control socket") { try $0.keep(dup($0.peer.socket)) },
  ]

  private static func row(_ place: String, _ file: File) -> AttackRow {
    AttackRow("descriptor: \(place) with \(file.name)") { stand, report in
      let isEarly = place == "register" || place == "reattach"
      let peer = try stand.attacker(isEarly ? nil : "kit.descriptors")
      if isEarly { try peer.hello() }
      let scene = Scene(peer, place)
      let before = peer.framesReceived
      let answer = try scene.offer(try file.make(scene))
      // Who comes back is fenced by the ticket, whatever comes with it.
      let code = place == "reattach" ? "FENCED" : "INVALID"
      report.result(answer?.errorCode?.name ?? "\(answer?.kind ?? 0)", is: code)
      report.work(peer.framesReceived - before, atMost: 1, "frames for one of the attacker's")
      let value = try peer.routerValue("agents")
      report.holds(value != nil, "the connection does not go on")
    }
  }

  /// What is refused for the size that its frame says is not looked at: a file of holes, which
  /// would be INVALID, can be of any size and costs nothing to make.
  private static var unseen: [AttackRow] {
    [("addLog", 3), ("addBlob", 32)].map { place, kind in
      AttackRow("descriptor: \(place) that is larger than the agent's quota, a hundred times") {
        stand, report in
        let peer = try stand.attacker("kit.descriptors")
        let size = 300 << 20
        let file = try RawMemory(bytes: size, pages: .none)
        try file.seal(place == "addBlob" ? .whole : .required)
        var frame = RawFrame(kind: UInt16(kind))
        if place == "addLog" {
          frame.number(0, 8)
          frame.text(Array("kit".utf8))
          frame.number(0, 4)
          frame.number(UInt64(size - 8192), 8)
        } else {
          for byte in BusUUID.random().bytes { frame.number(UInt64(byte), 1) }
        }
        frame.number(UInt64(size), 8)
        if place == "addBlob" {
          frame.number(UInt64(size - 4096), 8)
          frame.number(0, 4)
        }
        let before = peer.framesReceived
        for _ in 0..<100 {
          let answer = try peer.ask(frame, [file.descriptor])
          report.result(answer?.errorCode?.name ?? "taken", is: "RESOURCE_EXHAUSTED")
        }
        report.work(peer.framesReceived - before, atMost: 100, "frames for a hundred")
      }
    }
  }

  /// What belongs there is taken, also through a descriptor that can only be read.
  private static var sound: [AttackRow] {
    ["register", "addLog", "addCounters", "addBlob"].map { place in
      AttackRow("descriptor: \(place) with a sound one, opened for reading") { stand, report in
        let peer = try stand.attacker(place == "register" ? nil : "kit.descriptors")
        if place == "register" { try peer.hello() }
        let scene = Scene(peer, place)
        let file = scene.keep(try scene.segment())
        let reading = try scene.keep(unsafe open("/proc/self/fd/\(file)", O_RDONLY | O_CLOEXEC))
        let answer = try scene.offer(reading)
        let wanted = ["register": 102, "addLog": 103][place] ?? 117
        report.result("\(answer?.kind ?? 0)", is: "\(wanted)")
        report.work(1, atMost: 1, "frames")
      }
    }
  }
}

extension DescriptorRows.Scene {
  /// The right size, but without the pages; what no page holds cannot be written either.
  func hollow(_ pages: RawMemory.Pages) throws -> RawMemory {
    let size = try segment().bytes
    let file = try RawMemory(bytes: size, pages: pages)
    try file.seal(place == "addBlob" ? .whole : .required)
    return file
  }

  /// Sends the frame as if the descriptor were what belongs to it.
  func offer(_ descriptor: Int32) throws -> RawReply? {
    var frame: RawFrame
    switch place {
    case "addLog":
      frame = RawFrame(kind: 3)
      frame.number(0, 8)
      frame.text(Array("kit".utf8))
      frame.number(0, 4)
      frame.number(16384, 8)
      frame.number(24576, 8)
    case "addBlob":
      frame = RawFrame(kind: 32)
      for byte in token.bytes { frame.number(UInt64(byte), 1) }
      frame.number(8192, 8)
      frame.number(64, 8)
      frame.number(1000, 4)
    case "addCounters":
      frame = RawFrame(kind: 30)
      frame.number(0, 2)
      frame.number(UInt64(BUS_COUNTERS_BYTES_FIRST), 8)
    default:
      frame = RawFrame(kind: place == "register" ? 2 : 16)
      frame.text(Array("kit.descriptors".utf8))
      frame.text([])
      for byte in BusUUID(agentName: "kit.descriptors").bytes { frame.number(UInt64(byte), 1) }
      if place == "reattach" {
        frame.number(peer.incarnation, 8)
        for _ in 0..<32 { frame.number(7, 1) }
      }
    }
    return try peer.ask(frame, [descriptor])
  }
}
