import BusTestSupport
import BusWire
import Foundation
import Glibc
import ProcessSupport
import Testing

/// What the kernel counts against the router's limit until it is read, when agents do not read.
///
/// The limit is of a user, and is none for root: each test starts a router of a user of its own.
@Suite("Descriptors in flight", .serialized, .enabled(if: geteuid() == 0, "needs root"))
struct InFlightTests {
  static let limit = 250
  /// Whose agents do not read.
  static let leech: uid_t = 64_998

  @Test("agents that do not read leave those that do of the same user all that they are to get")
  func sameUser() throws {
    try Watchdog.bounding("descriptors in flight", seconds: 120) {
      let crowd = try Crowd()
      let sleepers = try (0..<9).map { Listening(try crowd.subscriber("sleeper\($0)")) }
      for number in 0..<80 { try crowd.publish(number) }
      let reader = Listening(try crowd.subscriber("reader"))
      try reader.awaitStreams(80)
      #expect(try crowd.names().isSuperset(of: ["reader", "feed", "sleeper8"]))
      let lying = try crowd.whileRouterStands {
        try sleepers.reduce(0) { try $0 + $1.takeWhatLies() }
      }
      // The quarter, but for those few that others had not read at that moment.
      #expect((Self.limit / 6...Self.limit / 2).contains(lying), "\(lying) descriptors in flight")
      // They get theirs as they read.
      for sleeper in sleepers { try sleeper.awaitStreams(80) }
    }
  }

  @Test("agents of another user that do not read get no more than their share, dropped or not")
  func otherUser() async {
    // In a process of its own: it changes its user.
    await #expect(processExitsWith: .success) {
      try Watchdog.bounding("descriptors in flight of another user", seconds: 180) {
        let crowd = try Crowd(["--unread", "1"])
        for number in 0..<80 { try crowd.publish(number) }
        var leeches: [RouterClient] = []
        var refusal: String?
        // Those of a round are dropped, for they do not read, and what they were sent stays.
        for round in 0..<40 where refusal == nil {
          let (here, text) = try crowd.leeches("leech\(round).", most: 20)
          leeches += here
          refusal = text
          for _ in 0..<400 where refusal == nil {
            if try crowd.names() == ["feed"] { break }
            usleep(10_000)
          }
        }
        #expect(refusal?.contains("user \(InFlightTests.leech)") == true, "\(refusal ?? "none")")
        let reader = Listening(try crowd.subscriber("reader"))
        try reader.awaitStreams(80)
        // Once they are gone their user's agents are taken again.
        for leech in leeches { leech.close() }
        var again: (here: [RouterClient], refusal: String?) = ([], "not asked")
        for _ in 0..<1000 where again.refusal != nil {
          usleep(10_000)
          again = try crowd.leeches("again", most: 1)
        }
        #expect(again.refusal == nil)
      }
    }
  }
}

/// A router that may have 250 descriptors in flight, and a publisher of many streams.
private final class Crowd {
  private let router: OtherUsersRouter
  private let feed: RouterClient

  init(_ options: [String] = []) throws {
    router = try OtherUsersRouter(descriptors: InFlightTests.limit, options)
    feed = try RouterClient(router.socket)
    _ = try feed.register("feed")
  }

  func subscriber(_ name: String) throws -> RouterClient {
    let client = try RouterClient(router.socket)
    _ = try client.register(name)
    try Self.subscribe(client, to: [">"])
    return client
  }

  private static func subscribe(_ client: RouterClient, to patterns: [String]) throws {
    for (number, pattern) in patterns.enumerated() {
      let wish = SubscribeFrame(
        subscription: UInt32(number + 1), pattern: pattern, mode: .lossy, sleeps: false, epoch: 0)
      try client.send(AgentFrame.subscribe(wish).encode(request: 0))
    }
  }

  func publish(_ number: Int) throws {
    #expect(try feed.publish("feed", "c\(number)")?.kind == .logAdded)
  }

  /// Subscribes with agents of another user that never read, until the router takes no more.
  func leeches(_ name: String, most: Int) throws -> (here: [RouterClient], refusal: String?) {
    guard seteuid(InFlightTests.leech) == 0 else { throw ClientFailure.system("seteuid", errno) }
    defer { _ = seteuid(0) }
    var leeches: [RouterClient] = []
    for number in 0..<most {
      let client = try RouterClient(router.socket)
      do {
        _ = try client.register("\(name)\(number)")
      } catch {
        // It may have been refused before it could say anything.
        while (try? client.receiveNow()) != nil {}
        guard let refusal = client.refusal else { throw error }
        return (leeches, refusal.text)
      }
      try Self.subscribe(client, to: [">"])
      leeches.append(client)
    }
    return (leeches, nil)
  }

  func whileRouterStands<Value>(_ body: () throws -> Value) throws -> Value {
    #expect(router.child.stop())
    defer { router.child.signal(SIGCONT) }
    return try body()
  }

  func names() throws -> Set<String> { try RouterUnreadTests.names(feed) }
}

/// A subscriber that reads, and the streams that it was told of.
private final class Listening {
  private let client: RouterClient
  private var streams: Set<StreamID> = []
  var streamCount: Int { streams.count }

  init(_ client: RouterClient) { self.client = client }

  /// Takes what lies in the socket now; how many descriptors that were.
  func takeWhatLies() throws -> Int {
    var descriptors = 0
    while let received = try client.receiveNow() {
      note(received.frame)
      if received.descriptor != nil { descriptors += 1 }
    }
    return descriptors
  }

  func awaitStreams(_ count: Int) throws {
    while streams.count < count { note(try client.receive().frame) }
  }

  private func note(_ frame: RouterFrame) {
    if case .announce(let announce) = frame { streams.insert(announce.stream) }
  }
}

/// A router of a user of its own, which may have so many descriptors open or in flight.
private struct OtherUsersRouter: ~Copyable {
  let socket: String
  let child: Child
  private let home: TemporaryDirectory
  /// Nobody else's: the kernel counts by user what is in flight.
  private static let user: uid_t = 64_999

  init(descriptors: Int, _ options: [String]) throws {
    let home = try TemporaryDirectory("otherusers")
    let program = URL(fileURLWithPath: try Programs.path("msg_router")).resolvingSymlinksInPath()
    let copy = home.file("msg_router")
    try FileManager.default.copyItem(at: program, to: URL(fileURLWithPath: copy))
    let (run, policy) = (home.file("run"), home.file("policy.yaml"))
    let text = """
      agents:
        - name: ">"
          users: [0, \(InFlightTests.leech)]
          read: [">"]
          write: [">"]

      """
    try text.write(toFile: policy, atomically: true, encoding: .utf8)
    let modes = unsafe [
      chmod(home.path, 0o755), chmod(copy, 0o755), chmod(policy, 0o644), mkdir(run, 0o700),
      chown(run, Self.user, Self.user),
    ]
    guard modes.allSatisfy({ $0 == 0 }) else { throw ClientFailure.system("chmod", errno) }
    let script = "ulimit -n \(descriptors); exec \"$0\" --json --dir \"$@\""
    let child = try Child.start(
      "setpriv",
      ["--reuid", "\(Self.user)", "--regid", "\(Self.user)", "--clear-groups", "/bin/sh", "-c"]
        + [script, copy, run, "--policy", policy] + options)
    try child.waitForLine(containing: "\"event\":\"ready\"")
    self.home = home
    self.child = child
    socket = "\(run)/router.sock"
  }

  deinit { child.kill() }
}
