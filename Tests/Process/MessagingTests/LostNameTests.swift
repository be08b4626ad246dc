import BinaryComm
import BusTestSupport
import BusWire
import Foundation
import ProcessSupport
import Testing

/// Names that were answered, and that the router after a restart will not have answered.
@Suite("Names that the next router refuses", .serialized)
struct LostNameTests {
  /// A bus whose policy changes with the next router: from then on only `other` may be answered.
  private struct World: ~Copyable {
    private let home: TemporaryDirectory
    var bus: ClientBus

    init() throws {
      let home = try TemporaryDirectory("names")
      try Self.allow(">", in: home)
      bus = try ClientBus(["--policy", home.file("policy.yaml")])
      self.home = home
    }

    private static func allow(_ names: String, in home: borrowing TemporaryDirectory) throws {
      let policy = """
        agents:
          - name: ">"
            users: [\(getuid())]
            read: [">"]
            write: [">"]
            services:
              call: [">"]
              answer: ["\(names)"]
        """
      try policy.write(toFile: home.file("policy.yaml"), atomically: true, encoding: .utf8)
    }

    mutating func change() throws {
      try Self.allow("other", in: home)
      try bus.endRouter(SIGKILL)
      try bus.startRouter(["--policy", home.file("policy.yaml")])
    }
  }

  /// Starts a command; returns when it has said this.
  private static func start(
    _ directory: String, _ words: [String], until text: String
  ) throws -> Child {
    let child = try Child.start(try Programs.path("bcs"), words + ["--dir", directory])
    while child.isRunning, !child.stderrSoFar.contains(text) { breathe() }
    return child
  }

  @Test("are told to a messenger's owner, and what comes for them is refused")
  func messenger() throws {
    try Watchdog.bounding("names of a messenger", seconds: 100) {
      var world = try World()
      let agent = try world.bus.agent("answerer")
      var messenger = try agent.messenger()
      for name in ["svc", "other"] { try messenger.answer(name) }
      try messenger.join(team: "crew")
      try world.change()
      var lost: [LostName] = []
      while lost.count < 2 {
        if try messenger.poll({ _, _, _ in }) == 0 {
          _ = try messenger.wait(timeout: .milliseconds(50))
        }
        lost += messenger.drainLostNames()
      }
      lost.sort { $0.name < $1.name }
      #expect(lost.map(\.name) == ["crew", "svc"] && lost.map(\.isTeam) == [true, false])
      for name in lost {
        #expect(name.error.code == .denied && !name.isAskedAgain)
        #expect(name.error.detail.contains(name.name))
      }
    }
  }

  @Test("end bcs reply, and bcs listen when it is in none of its teams any more")
  func commands() throws {
    try Watchdog.bounding("names of commands", seconds: 100) {
      var world = try World()
      let directory = world.bus.directory
      let reply = try Self.start(directory, ["reply", "svc", "--echo"], until: "answering")
      let crew = try Self.start(directory, ["listen", "--team", "crew"], until: "listening")
      let words = ["listen", "--name", "both", "--count", "1", "--team", "crew", "--team", "other"]
      let both = try Self.start(directory, words, until: "listening")
      defer { [reply, crew, both].forEach { $0.kill() } }
      try world.change()
      for (child, name) in [(reply, "svc"), (crew, "crew")] {
        let result = try child.wait(timeout: .seconds(60))
        #expect(result.exit == .code(5), "\(result)")
        #expect(result.stderr.contains("DENIED") && result.stderr.contains(name), "\(result)")
      }
      while both.isRunning, !both.stderrSoFar.contains("DENIED") { breathe() }
      let telling = ["tell", "both", "hello", "--timeout", "30", "--dir", directory]
      let told = try Child.run(try Programs.path("bcs"), telling, timeout: .seconds(60))
      #expect(told.succeeded, "\(told)")
      #expect(try both.wait(timeout: .seconds(60)).stdout.contains("hello"))
    }
  }

  @Test("are told where problems of the inbox are, and their services end")
  func service() async throws {
    try await Watchdog.bounding("names of services", seconds: 100) {
      var world = try World()
      let server = try world.bus.agent("server")
      let (told, telling) = AsyncStream.makeStream(of: StreamProblem.self)
      server.onInboxProblem { telling.yield($0) }
      try await server.serve("svc", executor: OwnThreads.shared) { $0.payload }
      try world.change()
      let problem = await told.first { _ in true }
      #expect(problem?.publisher == "" && problem?.error.code == .denied)
      #expect(problem?.error.detail.contains("svc") == true)
      server.close()
    }
  }

  @Test("are none where another agent bears the name meanwhile: who answered it does so again")
  func again() throws {
    try Watchdog.bounding("a name that is in use", seconds: 100) {
      var bus = try ClientBus()
      let directory = bus.directory
      let words = ["reply", "svc", "--echo", "--name", "server"]
      let reply = try Self.start(directory, words, until: "answering")
      defer { reply.kill() }
      // The next router meets that agent first, and waits for the service.
      #expect(reply.stop())
      try bus.endRouter(SIGKILL)
      try bus.startRouter(["--grace", "30"])
      let holder = try bus.agent("svc")
      let watcher = try bus.agent("watcher")
      func isThere(_ name: String) throws -> Bool {
        try watcher.query(.agents).contains { $0["name"] == name }
      }
      reply.signal(SIGCONT)
      while try !isThere("server") { breathe() }
      holder.close()
      while try isThere("svc") { breathe() }
      let asking = ["req", "svc", "hello", "--raw", "--timeout", "60", "--dir", directory]
      let asked = try Child.run(try Programs.path("bcs"), asking, timeout: .seconds(80))
      #expect(asked.stdout == "hello" && asked.succeeded, "\(asked)")
      #expect(reply.isRunning)
    }
  }
}
