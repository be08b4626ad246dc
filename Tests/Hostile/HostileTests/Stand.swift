import BinaryComm
import BusLog
import BusMemory
import BusTestSupport
import BusWire
import Glibc
import Testing

/// Of tests that count what a router holds, which is not dumpable: only root sees it.
let needsRoot = ConditionTrait.enabled(
  if: geteuid() == 0, "only root can count a router's descriptors")

/// Where rows are run: a router in a directory of its own with an honest party on it, or, for
/// attacks on memory alone, an honest log of this process.
final class Stand: @unchecked Sendable {
  // @unchecked Sendable: rows run one after the other.
  let directory: String
  /// Nil on a stand for memory alone.
  let router: Child?
  private let home: TemporaryDirectory
  private var party: ThirdParty?
  private var log: HonestLog?
  private var attackers: [HostilePeer] = []
  private var observer: HostilePeer?
  private var places = 0

  /// A stand for attacks on memory alone.
  static func memory() throws -> Stand {
    let stand = try Stand(router: nil, home: TemporaryDirectory("kit"))
    stand.log = try HonestLog()
    return stand
  }

  /// A stand with a router that is started with these options.
  static func bus(_ options: [String] = []) async throws -> Stand {
    let home = try TemporaryDirectory("kit")
    let router = try Child.start(
      try Programs.path("msg_router"), ["--dir", home.file("run"), "--json"] + options)
    try router.waitForLine(containing: "\"event\":\"ready\"")
    let stand = Stand(router: router, home: home)
    stand.observer = try HostilePeer(stand.socket)
    try stand.observer?.hello()
    stand.party = try await ThirdParty(stand.directory)
    // What is made at the first message and the first request belongs to the baseline.
    let warmUp = Report()
    try await stand.serveThirdParty(warmUp)
    guard warmUp.complaints.isEmpty else { throw SetUpFailure("\(warmUp.complaints)") }
    return stand
  }

  private init(router: Child?, home: consuming TemporaryDirectory) {
    self.router = router
    directory = home.file("run")
    self.home = home
  }

  deinit { router?.kill() }

  var socket: String { "\(directory)/router.sock" }

  /// A hostile peer that leaves, at the latest, at the end of the row.
  func attacker(_ name: String? = nil) throws -> HostilePeer {
    let peer = try HostilePeer(socket)
    attackers.append(peer)
    if let name { try peer.register(name) }
    return peer
  }

  /// An agent of the real library, whom a row attacks; it leaves when nobody holds it any more.
  ///
  /// One of that name of the row before may still be on its way out: the router hears of that when
  /// it reads the end of its connection.
  func victim(_ name: String) throws -> Agent {
    for _ in 0..<2000 {
      do throws(BusError) {
        return try Bus.connect(to: directory).register(name, category: "kit")
      } catch {
        guard error.code == .nameInUse else { throw error }
        usleep(5000)
      }
    }
    return try agent(directory, name)
  }

  /// A fresh directory that only this user may enter, within the stand's own.
  func privateDirectory() throws -> String {
    places += 1
    let path = home.file("place\(places)")
    guard unsafe mkdir(path, 0o700) == 0 else { throw SetUpFailure("mkdir \(path): \(errno)") }
    return path
  }

  func sendAttackersAway() {
    for attacker in attackers { attacker.leave() }
    attackers = []
  }

  /// Serves the third party; what does not arrive or is not answered is a complaint.
  func serveThirdParty(_ report: Report) async throws {
    if let router, !router.isRunning {
      report.complain("the router has ended: \(router.stderrSoFar.suffix(300))")
      return
    }
    try log?.serve(report)
    try await party?.serve(report)
  }

  func holdings() throws -> Holdings {
    guard let router else { return try Holdings(router: nil, charged: 0) }
    guard let charged = try observer?.routerValue("arena_used") else {
      throw SetUpFailure("the router does not say what it has charged")
    }
    return try Holdings(router: router.pid, charged: charged)
  }

  /// Looks until nothing is held that was not held before; complains of what is not given back.
  ///
  /// The third party goes on meanwhile: what its publisher keeps of a reader that has left, it lets
  /// go with its next message.
  func settle(to before: Holdings, residentKiBMax: Int, _ report: Report) async throws {
    guard router?.isRunning ?? true else { return }
    var now = try holdings()
    for look in 0..<1000 where now.excess(over: before) != nil {
      usleep(5000)
      if look % 50 == 49 { try await serveThirdParty(report) }
      now = try holdings()
    }
    if let excess = now.excess(over: before) { report.complain("not given back: \(excess)") }
    let grown = now.residentKiB - before.residentKiB
    if grown > residentKiBMax { report.complain("this process grew by \(grown) KiB") }
    let routerGrown = now.routerResidentKiB - before.routerResidentKiB
    if routerGrown > residentKiBMax { report.complain("the router grew by \(routerGrown) KiB") }
  }
}

/// Honest agents beside the attack: one publishes, one reads without loss, one answers requests.
private final class ThirdParty: @unchecked Sendable {
  // @unchecked Sendable: rows run one after the other.
  private let sender: Agent
  private let listener: Agent
  private let responder: Agent
  private var publisher: Publisher
  private var reader: Reader
  private var next: UInt64 = 0

  init(_ directory: String) async throws {
    sender = try agent(directory, "honest.sender")
    listener = try agent(directory, "honest.listener")
    responder = try agent(directory, "honest.responder")
    publisher = try sender.publisher(on: "honest")
    reader = try listener.reader("honest.>", mode: .lossless, wait: .sleep)
    try await responder.serve("honest.echo", executor: OwnThreads.shared) { $0.payload }
  }

  func serve(_ report: Report) async throws {
    try exchange(report)
    let asked = [UInt8](repeating: 42, count: 9)
    let reply = try await sender.request("honest.echo", asked, timeout: .seconds(20))
    if reply.payload != asked { report.complain("the third party's request was answered wrongly") }
  }

  /// Twenty messages, all of which arrive, in order.
  private func exchange(_ report: Report) throws {
    let first = next
    for _ in 0..<20 {
      try publisher.publish("honest.news", numbered(next))
      next += 1
    }
    var expected = first
    for _ in 0..<400 where expected < next {
      let taken = try reader.poll { message in
        let payload = message.bytes
        if message.topic != "honest.news" || payload != numbered(expected) {
          report.complain("the third party got a wrong message in the place of \(expected)")
        }
        expected += 1
      }
      if taken == 0 { _ = try reader.wait(timeout: .milliseconds(50)) }
    }
    if expected != next {
      report.complain("of the third party's messages \(expected - first) of 20 arrived")
    }
  }
}

/// An honest publisher's log and a reader of it, polled between the looks at a hostile one.
private final class HonestLog {
  private var writer: LogWriter
  private var reader: LogReader
  private var next: UInt64 = 0

  init() throws {
    guard let shape = LogShape(capacity: 65536) else { throw SetUpFailure("no shape of a log") }
    let identity = LogIdentity(
      agent: BusUUID(agentName: "honest"), incarnation: 3, channel: "honest", generation: 0,
      shape: shape, stagger: 0)
    let log = try NewLog(identity)
    let copy = try PeerSegment(consuming: dup(log.descriptor), announced: shape.segmentBytes)
    let gate = FlowControl(stall: StallPolicy(stallNs: 0)) { _, _ in }
    writer = LogWriter(first: log, gate: gate)
    reader = try LogReader(
      copy, mode: .lossy, start: FlowControl.Start(generation: 0, position: 0, sequence: 0),
      slot: nil)
  }

  func serve(_ report: Report) throws {
    let first = next
    for _ in 0..<20 {
      let head = LogWriter.Head(type: .event, destination: BusUUID(topicId: 0), correlationId: 7)
      let bytes = numbered(next)
      let fits = unsafe writer.append(head, stamp: next, payload: bytes.span.bytes)
      if !fits { throw SetUpFailure("the honest log is full") }
      next += 1
    }
    writer.publish()
    var expected = first
    _ = reader.poll(limit: 100) { record in
      if record.header.word2 != expected { report.complain("the honest log gave a wrong record") }
      expected += 1
    }
    if expected != next { report.complain("the honest log gave \(expected - first) of 20 records") }
  }
}

/// An agent of the real library; here so that the synchronous calls are meant.
func agent(_ directory: String, _ name: String) throws -> Agent {
  try Bus.connect(to: directory).register(name, category: "kit")
}

/// A payload that carries a number.
func numbered(_ number: UInt64) -> [UInt8] {
  (0..<8).map { UInt8(truncatingIfNeeded: number >> UInt64(8 * $0)) }
}
