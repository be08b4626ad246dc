import BusTestSupport
import BusWire
import CBusPlatform
import Foundation
import Glibc
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

  fileprivate static func names(_ client: RouterClient) throws -> Set<String> {
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

  @Test(
    "while the kernel takes no more descriptors for sleepers, who reads waits and gets them later",
    .enabled(if: geteuid() == 0, "only root can start the router as another user"))
  func tooManyOnTheWay() throws {
    try Watchdog.bounding("descriptors on their way", seconds: 120) {
      let crowd = try Crowd()
      let sleepers = try (0..<9).map { try crowd.subscriber("sleeper\($0)") }
      let reader = Listening(try crowd.subscriber("reader"))
      for number in 0..<80 {
        try crowd.publish(number)
        try reader.takeWhatLies()
      }
      #expect(reader.streamCount < 80, "the kernel took them all: nothing was tried here")
      // What lies in a socket is on its way until its process reads or ends.
      for sleeper in sleepers { sleeper.close() }
      try reader.awaitStreams(80)
      #expect(try crowd.names().isSuperset(of: ["reader", "feed"]))
    }
  }
}

/// A router that may have 250 descriptors on their way, and a publisher of many streams.
private final class Crowd {
  private let router: OtherUsersRouter
  private let feed: RouterClient

  init() throws {
    router = try OtherUsersRouter(descriptors: 250)
    feed = try RouterClient(router.socket)
    _ = try feed.register("feed")
  }

  func subscriber(_ name: String, to patterns: [String] = [">"]) throws -> RouterClient {
    let client = try RouterClient(router.socket)
    _ = try client.register(name)
    for (number, pattern) in patterns.enumerated() {
      let wish = SubscribeFrame(
        subscription: UInt32(number + 1), pattern: pattern, mode: .lossy, sleeps: false, epoch: 0)
      try client.send(AgentFrame.subscribe(wish).encode(request: 0))
    }
    return client
  }

  func publish(_ number: Int) throws {
    #expect(try feed.publish("feed", "c\(number)")?.kind == .logAdded)
  }

  func names() throws -> Set<String> { try RouterUnreadTests.names(feed) }
}

/// A subscriber that reads, and the streams that it was told of.
private final class Listening {
  private let client: RouterClient
  private var streams: Set<StreamID> = []
  var streamCount: Int { streams.count }

  init(_ client: RouterClient) { self.client = client }

  func takeWhatLies() throws {
    while let received = try client.receiveNow() { note(received.frame) }
  }

  func awaitStreams(_ count: Int) throws {
    while streams.count < count { note(try client.receive().frame) }
  }

  private func note(_ frame: RouterFrame) {
    if case .announce(let announce) = frame { streams.insert(announce.stream) }
  }
}

/// A router of a user of its own, which may have so many descriptors open or on their way.
private struct OtherUsersRouter: ~Copyable {
  let socket: String
  private let child: Child
  private let home: TemporaryDirectory
  /// Nobody else's: the kernel counts by user what is on its way.
  private static let user: uid_t = 64_999

  init(descriptors: Int) throws {
    let home = try TemporaryDirectory("otherusers")
    let program = URL(fileURLWithPath: try Programs.path("msg_router")).resolvingSymlinksInPath()
    let copy = home.file("msg_router")
    try FileManager.default.copyItem(at: program, to: URL(fileURLWithPath: copy))
    let (run, policy) = (home.file("run"), home.file("policy.yaml"))
    let text = "agents:\n  - name: \">\"\n    users: [0]\n    read: [\">\"]\n    write: [\">\"]\n"
    try text.write(toFile: policy, atomically: true, encoding: .utf8)
    let modes = unsafe [
      chmod(home.path, 0o755), chmod(copy, 0o755), chmod(policy, 0o644), mkdir(run, 0o700),
      chown(run, Self.user, Self.user),
    ]
    guard modes.allSatisfy({ $0 == 0 }) else { throw ClientFailure.system("chmod", errno) }
    let script = "ulimit -n \(descriptors); exec \"$0\" --dir \"$1\" --policy \"$2\" --json"
    let child = try Child.start(
      "setpriv",
      ["--reuid", "\(Self.user)", "--regid", "\(Self.user)", "--clear-groups", "/bin/sh", "-c"]
        + [script, copy, run, policy])
    try child.waitForLine(containing: "\"event\":\"ready\"")
    self.home = home
    self.child = child
    socket = "\(run)/router.sock"
  }

  deinit { child.kill() }
}

extension RouterClient {
  /// Takes the frames that lie in the socket now, and waits for no other.
  fileprivate func takeWhatLies() -> Int {
    var frames = 0
    while (try? receiveNow()) != nil { frames += 1 }
    return frames
  }
}
