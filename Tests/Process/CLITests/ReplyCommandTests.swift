import BinaryComm
import BusTestSupport
import BusWire
import CBusPlatform
import Foundation
import Glibc
import ProcessSupport
import Testing

/// What waits in `bcs reply`: requests for a command, lines and replies for room.
@Suite("bcs reply and what waits in it", .serialized)
struct ReplyCommandTests {
  private static func responder(_ bus: CLIBus, _ service: String, _ words: String...) throws
    -> Child
  {
    let child = try Child.start(
      try Programs.path("bcs"),
      ["reply", service, "--dir", bus.directory, "--log-level", "debug"] + words)
    while child.isRunning, !child.stderrSoFar.contains("answering") { breathe() }
    return child
  }

  /// Works on a request once a file is there, and notes what it was.
  private static func script(_ go: String, _ order: String) -> String {
    "read word; echo $word >> \(order); while ! test -e \(go); do sleep 0.05; done; echo done"
  }

  private static func text(_ path: String) -> String {
    (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
  }

  /// How many requests a responder has taken.
  private static func taken(_ child: Child) -> Int {
    child.stderrSoFar.components(separatedBy: ": taken").count - 1
  }

  /// An agent that asks without a process for each request, and keeps to no credit.
  private struct Asker: ~Copyable {
    private let agent: Agent
    private var messenger: Messenger
    private(set) var replies = 0
    private(set) var failures: [BusError] = []

    init(_ bus: CLIBus, _ name: String) throws {
      let agent = try Bus.connect(to: bus.directory).register(name, category: "test")
      let messenger = try agent.messenger(MessengerOptions(inFlight: 4096))
      self.agent = agent
      self.messenger = messenger
    }

    deinit { agent.close() }

    mutating func ask(
      _ service: String, _ payload: [UInt8], _ priority: Priority? = nil,
      timeoutNs: UInt64 = 100_000_000_000
    ) throws {
      let recipient = try messenger.out.service(service)
      while true {
        do {
          let options = SendOptions(timeoutNs: timeoutNs, priority: priority)
          _ = try messenger.out.request(recipient, payload, options)
          return
        } catch {
          guard error.code == .wouldBlock else { throw error }
          if try hear() == 0 { _ = try messenger.wait(timeout: .milliseconds(5)) }
        }
      }
    }

    @discardableResult
    mutating func hear() throws -> Int {
      var came = 0
      var failed: [BusError] = []
      let taken = try messenger.poll { _, incoming, _ in
        if incoming.kind == .response, incoming.isLast { came += 1 }
      } onFailure: { failure, _ in
        failed.append(failure.error)
      }
      replies += came
      failures += failed
      return taken + failed.count
    }

    mutating func wait(while isOpen: (borrowing Asker) -> Bool) throws {
      while isOpen(self) {
        if try hear() == 0 { _ = try messenger.wait(timeout: .milliseconds(5)) }
      }
    }
  }

  @Test("requests that wait are bounded in bytes, and one requester leaves room for the others")
  func shares() throws {
    try Watchdog.bounding("shares in a responder", seconds: 180) {
      let dir = try TemporaryDirectory("reply")
      let bus = try CLIBus(dir.path)
      let go = dir.file("go")
      let slow = try Self.responder(
        bus, "slow", "--concurrency", "1", "--time-limit", "100", "--exec", "sh", "-c",
        Self.script(go, dir.file("order")))
      defer { slow.kill() }
      var large = [UInt8](repeating: 65, count: 1 << 20)
      large[0] = 0x0A
      var hog = try Asker(bus, "hog")
      for _ in 0..<160 { try hog.ask("slow", large) }
      // One is worked on, 128 MiB wait, and as much is left free for the others.
      try hog.wait { $0.failures.count < 160 - 129 }
      let codes = hog.failures.map(\.code)
      #expect(codes.allSatisfy { $0 == .resourceExhausted }, "\(codes)")
      var other = try Asker(bus, "other")
      try other.ask("slow", large, timeoutNs: 1_000_000_000)
      try other.wait { $0.failures.isEmpty }
      #expect(other.failures.map(\.code) == [.timeout], "its request was kept until its time")
      try Data().write(to: URL(fileURLWithPath: go))
      try other.ask("slow", large)
      try other.wait { $0.replies + $0.failures.count < 2 }
      #expect(other.replies == 1)
      try hog.wait { $0.replies + $0.failures.count < 160 }
      #expect(hog.replies == 129)
    }
  }

  @Test("requests of priority 0 and 1 go ahead of those that wait for a command")
  func urgent() throws {
    try Watchdog.bounding("urgent requests to a responder", seconds: 120) {
      let dir = try TemporaryDirectory("reply")
      let bus = try CLIBus(dir.path)
      let (go, order) = (dir.file("go"), dir.file("order"))
      let slow = try Self.responder(
        bus, "slow", "--concurrency", "1", "--exec", "sh", "-c", Self.script(go, order))
      defer { slow.kill() }
      var asker = try Asker(bus, "asker")
      try asker.ask("slow", Array("first\n".utf8))
      while slow.isRunning, Self.text(order).isEmpty {
        try asker.hear()
        breathe()
      }
      for word in ["second", "third"] { try asker.ask("slow", Array("\(word)\n".utf8)) }
      try asker.ask("slow", Array("urgent\n".utf8), .critical)
      while slow.isRunning, Self.taken(slow) < 4 {
        try asker.hear()
        breathe()
      }
      try Data().write(to: URL(fileURLWithPath: go))
      try asker.wait { $0.replies + $0.failures.count < 4 }
      #expect(asker.replies == 4)
      #expect(Self.text(order) == "first\nurgent\nsecond\nthird\n")
    }
  }

  @Test("quick lines all arrive in order, and after them the end of the command that wrote them")
  func lines() throws {
    try Watchdog.bounding("quick lines", seconds: 180) {
      let dir = try TemporaryDirectory("reply")
      let bus = try CLIBus(dir.path)
      let services = [
        try Self.responder(bus, "quick", "--lines", "--exec", "seq", "1", "20000"),
        try Self.responder(bus, "bad", "--lines", "--exec", "sh", "-c", "seq 1 20000; exit 3"),
      ]
      defer { services.forEach { $0.kill() } }
      let expected = (1...20000).map { "\($0)\n" }.joined()
      for form in ["--stream", "--quiet"] {
        let quick = try bus.run("req", "quick", "x", "--timeout", "60", form)
        #expect(quick.succeeded && quick.stdout == expected, "\(quick.exit) \(quick.stderr)")
      }
      let bad = try bus.run("req", "bad", "x", "--stream", "--timeout", "60")
      #expect(bad.exit == .code(8) && bad.stderr.contains("1003"), "\(bad.exit) \(bad.stderr)")
      #expect(bad.stdout == expected)
    }
  }

  @Test("a requester that reads nothing while its lines come gets them all when it does")
  func slowReader() throws {
    try Watchdog.bounding("a slow reader of lines", seconds: 180) {
      let dir = try TemporaryDirectory("reply")
      let bus = try CLIBus(dir.path)
      let service = try Self.responder(bus, "quick", "--lines", "--exec", "seq", "1", "100000")
      defer { service.kill() }
      let asking = try bus.start("req", "quick", "x", "--stream", "--timeout", "100")
      while asking.isRunning, asking.stdoutSoFar.isEmpty { breathe() }
      asking.signal(SIGSTOP)
      // Another one is answered meanwhile.
      let other = try bus.run("req", "quick", "x", "--timeout", "60")
      #expect(other.succeeded)
      asking.signal(SIGCONT)
      let result = try asking.wait(timeout: .seconds(100))
      #expect(result.succeeded, "\(result.exit) \(result.stderr)")
      #expect(result.stdout == (1...100_000).map { "\($0)\n" }.joined())
    }
  }

  @Test("a loop of command lines is stopped as a loop of agents is")
  func loop() throws {
    try Watchdog.bounding("a loop of command lines", seconds: 180) {
      let dir = try TemporaryDirectory("reply")
      let bus = try CLIBus(dir.path)
      let ends = dir.file("ends")
      let call = "\(try Programs.path("bcs")) req loop x --dir \(bus.directory) --timeout 100"
      let service = try Self.responder(
        bus, "loop", "--concurrency", "64", "--time-limit", "100", "--exec", "sh", "-c",
        "\(call); echo $? $BCS_HOPS >> \(ends)")
      defer { service.kill() }
      let result = try bus.run("req", "loop", "x", "--timeout", "100")
      #expect(result.succeeded, "\(result)")
      let lines = Self.text(ends).split(separator: "\n")
      // The innermost ends first: it was not let through.
      #expect(lines.first?.hasPrefix("10 ") == true, "\(lines)")
      #expect(lines.count > 1 && lines.dropFirst().allSatisfy { $0.hasPrefix("0 ") }, "\(lines)")
    }
  }

  @Test("a command's own requests inherit its deadline, its conversation and its hops")
  func inherited() throws {
    try Watchdog.bounding("what requests inherit", seconds: 120) {
      let dir = try TemporaryDirectory("reply")
      let bus = try CLIBus(dir.path)
      let who = try Self.responder(
        bus, "who", "--exec", "sh", "-c", "echo $BCS_CONVERSATION $BCS_HOPS")
      let stuck = try Self.responder(bus, "stuck", "--exec", "sleep", "1000")
      defer { [who, stuck].forEach { $0.kill() } }
      func ask(_ environment: [String: String], _ words: String...) throws -> ChildResult {
        try Child.run(
          try Programs.path("bcs"), words + ["--dir", bus.directory], environment: environment,
          timeout: .seconds(60))
      }
      let conversation = "01234567-89ab-cdef-0123-456789abcdef"
      let told = try ask(
        ["BCS_CONVERSATION": conversation, "BCS_HOPS": "3"], "req", "who", "x", "--raw")
      #expect(told.stdout == "\(conversation) 4\n", "\(told)")
      // Nonsense is nobody's request.
      let free = try ask(
        [
          "BCS_CONVERSATION": "x", "BCS_HOPS": "-", "BCS_DEADLINE_MS": "y",
          "BCS_DEADLINE_NS": "99999999999999999999",
        ], "req", "who", "x")
      #expect(free.stdout == "1\n", "\(free)")
      for command in ["req", "trace"] {
        let late = try ask(["BCS_DEADLINE_MS": "200"], command, "stuck", "x", "--timeout", "1000")
        #expect(late.exit == .code(4), "\(late)")
      }
      let listener = try bus.start("listen", "--name", "listener")
      defer { listener.kill() }
      while listener.isRunning, !listener.stderrSoFar.contains("listening") { breathe() }
      for (command, name) in [("req", "who"), ("trace", "who"), ("tell", "listener")] {
        let far = try ask(["BCS_HOPS": "17"], command, name, "x")
        #expect(far.exit == .code(10), "\(far)")
      }
    }
  }

  @Test("a command's own requests end with its requester's time, however late they are sent")
  func deadline() throws {
    try Watchdog.bounding("a command's deadline", seconds: 120) {
      let dir = try TemporaryDirectory("reply")
      let bus = try CLIBus(dir.path)
      let who = try Self.responder(bus, "who", "--exec", "sh", "-c", "echo $BCS_DEADLINE_NS")
      defer { who.kill() }
      var now = timespec()
      unsafe clock_gettime(CLOCK_MONOTONIC, &now)
      let began = UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
      let told = try bus.run("req", "who", "x", "--raw", "--timeout", "1000")
      let end = try #require(UInt64(told.stdout.dropLast()), "\(told)")
      #expect(end > began && end - began < 2_000_000_000_000, "\(began), \(end)")
      // The span was counted when the command was started, and says nothing of its end any more.
      for command in ["req", "trace"] {
        let late = try Child.run(
          try Programs.path("bcs"), [command, "who", "x", "--dir", bus.directory],
          environment: ["BCS_DEADLINE_MS": "100000", "BCS_DEADLINE_NS": "\(began)"],
          timeout: .seconds(60))
        #expect(late.exit == .code(4), "\(late)")
      }
    }
  }

  @Test("a line that cannot be sent is an error at the requester, also after the command's end")
  func tooLong() throws {
    try Watchdog.bounding("a line that is too long", seconds: 120) {
      let dir = try TemporaryDirectory("reply")
      let bus = try CLIBus(dir.path)
      let service = try Self.responder(
        bus, "long", "--lines", "--output-limit", "64MiB", "--exec", "sh", "-c",
        "head -c 20000000 /dev/zero | tr '\\0' x; echo; echo end")
      defer { service.kill() }
      let result = try bus.run("req", "long", "x", "--timeout", "20")
      #expect(!result.succeeded && result.stderr.contains("20000000 bytes"), "\(result.stderr)")
    }
  }
}
