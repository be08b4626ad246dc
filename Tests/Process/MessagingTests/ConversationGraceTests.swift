import BinaryComm
import BusTestSupport
import BusWire
import Glibc
import ProcessSupport
import Testing

/// After a router was killed its successor does not know yet who is still on the way back.
@Suite("Messages to all while agents come back to a new router", .serialized)
struct ConversationGraceTests {
  /// So long that it does not end by itself.
  private static let endless = ["--grace", "60"]

  @Test("wait until all are known; what goes to one goes at once")
  func messages() throws {
    try Watchdog.bounding("a team in the grace", seconds: 120) {
      var scene = try Scene()
      let (crew, work) = try scene.resolve()
      #expect(!scene.asker.out.knowsAll(of: crew) && !scene.asker.out.knowsAll(of: work))
      _ = try scene.asker.out.request(work, numbered(1), Pair.longAsking)
      while scene.replies < 1 { try scene.turn() }
      let direct = try scene.asker.out.agent("member")
      while scene.asker.out.responders(of: direct).isEmpty { try scene.turn() }
      #expect(try scene.asker.out.deliver(direct, numbered(2)).sent == 1)
      while scene.told.isEmpty { try scene.turn() }
      #expect(throws: BusError.wouldBlock) { try scene.scatter(work) }
      #expect(try scene.asker.out.deliver(crew, numbered(3)).sent == 0)
      #expect(!scene.asker.out.isFlushed && scene.told == [2])
      // The next grace has an end, at which what waits goes out without being sent again.
      try scene.restart([])
      while scene.told.count < 2 { try scene.turn() }
      #expect(scene.told == [2, 3] && scene.asker.out.knowsAll(of: crew))
      while !scene.asker.out.knowsAll(of: work) { try scene.turn() }
      #expect(try scene.scatter(work) == 1)
    }
  }

  @Test("whoever knew all of them before goes on without a wait")
  func known() throws {
    try Watchdog.bounding("a team known from before", seconds: 120) {
      var scene = try Scene([])
      let (crew, work) = try scene.resolve()
      while !scene.asker.out.knowsAll(of: crew) || !scene.asker.out.knowsAll(of: work) {
        try scene.turn()
      }
      try scene.restart(Self.endless)
      #expect(try scene.asker.out.deliver(crew, numbered(1)).sent == 1)
      while scene.told.isEmpty { try scene.turn() }
      #expect(try scene.scatter(work) == 1)
    }
  }

  @Test("commands that have no time for that say so, and send nothing")
  func commands() throws {
    try Watchdog.bounding("commands in the grace", seconds: 120) {
      var scene = try Scene()
      _ = try scene.resolve()
      for words in [["tell", "crew", "x", "--team"], ["req", "work", "x", "--all"]] {
        let result = try Child.run(
          try Programs.path("bcs"), words + ["--timeout", "3", "--dir", scene.bus.directory],
          timeout: .seconds(60))
        #expect(result.exit == .code(BusErrorCode.timeout.exitCode), "\(result)")
        #expect(result.stdout.isEmpty && result.stderr.contains("restart"), "\(result)")
      }
      try scene.turn()
      #expect(scene.told.isEmpty && scene.requests == 0)
    }
  }

  /// A member of a team that answers a service, and an agent that came after the router's restart.
  private struct Scene: ~Copyable {
    var bus: ClientBus
    private let member: Agent
    private let late: Agent
    private var taker: Messenger
    var asker: Messenger
    /// What the member was told, and how often it was asked.
    private(set) var told: [Int] = []
    private(set) var requests = 0
    private(set) var replies = 0

    init(_ options: [String] = ConversationGraceTests.endless) throws {
      var bus = try ClientBus()
      let member = try bus.agent("member")
      var taker = try member.messenger()
      try taker.join(team: "crew")
      try taker.answer("work")
      try Self.restart(&bus, options, [member])
      let late = try bus.agent("late")
      asker = try late.messenger()
      self.bus = bus
      self.member = member
      self.late = late
      self.taker = taker
    }

    private static func restart(
      _ bus: inout ClientBus, _ options: [String], _ agents: [Agent]
    ) throws {
      try bus.endRouter(SIGKILL)
      while agents.contains(where: \.isConnected) { breathe() }
      try bus.startRouter(options)
      while !agents.allSatisfy(\.isConnected) { breathe() }
    }

    mutating func restart(_ options: [String]) throws {
      try Self.restart(&bus, options, [member, late])
    }

    /// The team and the service, of which the member is known.
    mutating func resolve() throws -> (Recipient, Recipient) {
      let names = (try asker.out.team("crew"), try asker.out.service("work"))
      while asker.out.responders(of: names.0).isEmpty || asker.out.responders(of: names.1).isEmpty {
        try turn()
      }
      return names
    }

    mutating func scatter(_ service: Recipient) throws(BusError) -> Int {
      try asker.out.scatter(service, numbered(0), Pair.longAsking).count
    }

    /// Polls both.
    mutating func turn() throws {
      var (events, asked, answered) = ([Int](), 0, 0)
      _ = try taker.poll { message, incoming, out in
        guard incoming.kind == .request else { return events.append(number(message.payload)) }
        asked += 1
        try? out.reply(to: incoming, message.payload)
      }
      _ = try asker.poll { _, _, _ in answered += 1 }
      told += events
      requests += asked
      replies += answered
      if events.isEmpty, asked + answered == 0 { usleep(200) }
    }
  }
}
