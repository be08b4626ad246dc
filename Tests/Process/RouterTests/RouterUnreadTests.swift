import BusTestSupport
import BusWire
import CBusPlatform
import Foundation
import Glibc
import ProcessSupport
import Testing

@Suite("Agents that do not read what the router tells them", .serialized)
struct RouterUnreadTests {
  private static let asked = NameFrame(name: "kit.work", group: .service)

  /// An agent that is told whenever the name is answered or is not any more.
  private func asker(_ socket: String, _ name: String) throws -> RouterClient {
    let client = try RouterClient(socket)
    _ = try client.register(name)
    #expect(try client.ask(.resolve(Self.asked)).last?.frame.kind == .responders)
    return client
  }

  /// Answers the name and takes that back, which is news for everybody who asked.
  private func makeNews(_ feed: RouterClient, _ count: Int, reader: RouterClient? = nil) throws {
    for number in 0..<count {
      let frame = AnswerFrame(name: "kit.work", group: .service, answers: number % 2 == 0)
      #expect(try feed.ask(.answer(frame)).last?.frame == .done)
      // Who reads has read everything at each of these answers.
      if number % 16 == 0 { _ = try reader?.ask(.query(QueryFrame(subject: .router))) }
    }
  }

  static func names(_ client: RouterClient) throws -> Set<String> {
    let rows = try client.ask(.query(QueryFrame(subject: .agents)))
    return Set(
      rows.compactMap { received in
        guard case .row(let row) = received.frame else { return nil }
        return row.fields.first { $0.key == "name" }?.value
      })
  }

  /// Looks until this agent is gone; false when it is still there after many looks.
  private func isGone(_ name: String, by client: RouterClient, looks: Int = 3000) throws -> Bool {
    for _ in 0..<looks {
      if try !Self.names(client).contains(name) { return true }
      usleep(10_000)
    }
    return false
  }

  @Test("while an agent leaves answers unread the router does not look for its frames in vain")
  func sleepsMeanwhile() throws {
    try Watchdog.bounding("a router with an agent that does not read", seconds: 60) {
      let router = try RouterProcess()
      let silent = try router.connect()
      try silent.hello()
      // Refusals of what nobody waits for are news, those of the others are answers.
      for request in 0..<500 as Range<UInt32> {
        try silent.send(AgentFrame.watch.encode(request: request < 400 ? 0 : request))
      }
      // One that turns round is never found asleep so often in a row.
      var looks = 0
      while looks < 20 {
        looks = try Self.isAsleep(router.child.pid) ? looks + 1 : 0
        usleep(1000)
      }
      try router.connect().hello()
      withExtendedLifetime(silent) {}
    }
  }

  private static func isAsleep(_ pid: Int32) throws -> Bool {
    let text = try String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)
    // The name before may hold anything.
    return text.split(separator: ")").last?.hasPrefix(" S") == true
  }

  @Test("one that leaves a full socket unread for too long is dropped, and nobody else")
  func dropped() throws {
    try Watchdog.bounding("an agent that does not read", seconds: 120) {
      let router = try RouterProcess(["--unread", "0.5"])
      let sleeper = try asker(router.socket, "sleeper")
      let reader = try asker(router.socket, "reader")
      let feed = try router.connect()
      _ = try feed.register("feed")
      try makeNews(feed, 400, reader: reader)
      #expect(try isGone("sleeper", by: feed))
      #expect(sleeper.isClosedByRouter())
      #expect(try Self.names(reader).isSuperset(of: ["reader", "feed"]))
    }
  }

  @Test("little of what an agent does not read lies in the kernel")
  func socketRoom() throws {
    try Watchdog.bounding("what lies in a socket", seconds: 60) {
      let router = try RouterProcess()
      let sleeper = try asker(router.socket, "sleeper")
      let feed = try router.connect()
      _ = try feed.register("feed")
      // All but some would fit into a socket as the kernel makes them.
      try makeNews(feed, 250)
      #expect(router.child.stop())
      let lying = sleeper.takeWhatLies()
      router.child.signal(SIGCONT)
      #expect((16...128).contains(lying), "\(lying) frames lie in the socket")
    }
  }

  @Test("an agent that reads now and then is charged for what waits, not for what was dropped")
  func readsLate() throws {
    try Watchdog.bounding("an agent that reads late", seconds: 120) {
      let router = try RouterProcess(["--queued", "64K"])
      let sleeper = try asker(router.socket, "sleeper")
      let feed = try router.connect()
      _ = try feed.register("feed")
      // Each time news are dropped for it, some 15 KiB of them; it then reads, and gets a snapshot.
      for round in 0..<12 {
        try makeNews(feed, 400)
        _ = sleeper.takeWhatLies()
        let rows = try sleeper.ask(.query(QueryFrame(subject: .agents)))
        #expect(rows.last?.frame.kind != .error, "round \(round)")
      }
      #expect(try Self.names(feed) == ["sleeper", "feed"])
    }
  }

  @Test("of the agents of a user that do not read, the one for which most waits is dropped")
  func queued() throws {
    try Watchdog.bounding("a user's queues", seconds: 120) {
      let router = try RouterProcess(["--queued", "64K"])
      let feed = try router.connect()
      _ = try feed.register("feed")
      for number in 0..<150 {
        #expect(try feed.publish("feed", "c\(number)")?.kind == .logAdded)
      }
      let glutton = try asker(router.socket, "glutton")
      // These fill its socket: all rows of its question wait.
      try makeNews(feed, 150)
      let question = AgentFrame.query(QueryFrame(subject: .streams))
      try glutton.send(question.encode(request: 1000))
      var modest: [(name: String, client: RouterClient)] = []
      var isDropped = try isGone("glutton", by: feed, looks: 5)
      #expect(!isDropped, "it was dropped for what is allowed")
      while !isDropped, modest.count < 12 {
        let one = try router.connect()
        let name = "modest\(modest.count)"
        _ = try one.register(name)
        modest.append((name, one))
        try one.send(question.encode(request: 1000))
        isDropped = try isGone("glutton", by: feed, looks: 20)
      }
      #expect(isDropped && glutton.isClosedByRouter())
      #expect(try Self.names(feed) == Set(modest.map(\.name) + ["feed"]))
      // Answers wait for who reads late, all of them.
      for (name, client) in modest {
        var rows = 0
        while case .row = try client.receive().frame { rows += 1 }
        #expect(rows == 150, "\(name)")
      }
    }
  }
}

extension RouterClient {
  /// Takes the frames that lie in the socket now, and waits for no other.
  fileprivate func takeWhatLies() -> Int {
    var frames = 0
    while (try? receiveNow()) != nil { frames += 1 }
    return frames
  }
}
