import BinaryComm
import BusTestSupport
import BusWire
import Glibc
import ProcessSupport
import Testing

/// Peers that read a log to them no more and are there all the same.
@Suite("Conversations with a peer that comes back to its inbox", .serialized)
struct ConversationReturnTests {
  /// How a request ended.
  private enum End: Equatable {
    case answer(Int)
    case failure(BusErrorCode)
  }

  /// An agent that asks, and one whose messenger comes and goes.
  private struct World: ~Copyable {
    let bus: ClientBus
    let asker: Agent
    let answerer: Agent
    var left: Messenger
    var right: Messenger?
    let recipient: Recipient
    var ended: [End] = []

    init() throws {
      let bus = try ClientBus()
      let asker = try bus.agent("asker")
      let answerer = try bus.agent("answerer")
      // First: an agent without an inbox answers nothing, and who asks is told so.
      let right = try answerer.messenger()
      var left = try asker.messenger()
      let recipient = try left.out.agent("answerer")
      self.bus = bus
      self.asker = asker
      self.answerer = answerer
      self.left = left
      self.right = consume right
      self.recipient = recipient
    }

    /// Ends the messenger and makes another one, of which the asker hears in one look.
    mutating func reopen() throws {
      right = nil
      right = try answerer.messenger()
    }

    /// Sends a request, as soon as somebody answers: between two inboxes nobody does.
    mutating func ask(_ number: Int) throws {
      while true {
        do {
          _ = try left.out.request(recipient, numbered(number), Pair.longAsking)
          return
        } catch {
          guard error.code == .noResponders else { throw error }
          _ = try left.poll { _, _, _ in }
        }
      }
    }

    /// Polls both until so many requests have ended; the right side adds one to a number.
    mutating func until(ended count: Int, answers: Bool = true) throws {
      var came: [End] = []
      while ended.count + came.count < count {
        var taken = try left.poll { message, _, _ in
          came.append(.answer(number(message.payload)))
        } onFailure: { failure, _ in
          came.append(.failure(failure.error.code))
        }
        taken += try take(answers: answers)
        if taken == 0 { usleep(200) }
      }
      ended += came
    }

    /// What arrives at the right side.
    mutating func take(answers: Bool) throws -> Int {
      try right?.poll { message, incoming, out in
        guard answers else { return }
        try? out.reply(to: incoming, numbered(number(message.payload) + 1))
      } ?? 0
    }
  }

  @Test("a peer that closes its messenger and opens another is sent to again")
  func reopened() throws {
    try Watchdog.bounding("an inbox that opens again", seconds: 100) {
      var world = try World()
      for round in 1...4 {
        var attempts = 0
        repeat {
          // Who asks before it hears that the log is read no more is told so: once.
          attempts += 1
          try world.ask(round)
          try world.until(ended: world.ended.count + 1)
        } while attempts < 2 && world.ended.last == .failure(.peerDied)
        #expect(world.ended.last == .answer(round + 1))
        try world.reopen()
      }
      #expect(world.left.out.responders(of: world.recipient) == ["answerer"])
    }
  }

  @Test("a request that the closed messenger had not answered fails, and the next one arrives")
  func unanswered() throws {
    try Watchdog.bounding("a request to an inbox that closes", seconds: 100) {
      var world = try World()
      try world.ask(1)
      world.left.flush()
      while try world.take(answers: false) == 0 {
        _ = try world.left.poll { _, _, _ in
        } onFailure: { failure, _ in
          Issue.record("\(failure.error)")
        }
      }
      try world.reopen()
      try world.until(ended: 1)
      try world.ask(2)
      try world.until(ended: 2)
      #expect(world.ended == [.failure(.peerDied), .answer(3)])
    }
  }

  @Test("a request that was not read fails though the peer is back and speaks to the asker")
  func spokenTo() throws {
    try Watchdog.bounding("a request to a peer that is back and speaks", seconds: 100) {
      var world = try World()
      try world.ask(1)
      try world.until(ended: 1)
      try world.ask(2)
      world.left.flush()
      try world.reopen()
      // All of this before the asker looks again.
      if let asker = try world.right?.out.agent("asker") {
        _ = try world.right?.out.send(asker, numbered(9))
      }
      let isOut = world.right?.drain(timeout: .seconds(50))
      #expect(isOut == true)
      try world.until(ended: 3)
      #expect(world.ended.first == .answer(2))
      #expect(world.ended.contains(.answer(9)) && world.ended.contains(.failure(.peerDied)))
    }
  }

  @Test("what a messenger answered the next one of its agent does not")
  func names() throws {
    try Watchdog.bounding("names of a closed messenger", seconds: 100) {
      var world = try World()
      _ = try world.right?.answer("svc")
      let service = try world.left.out.service("svc")
      while world.left.out.responders(of: service) != ["answerer"] {
        _ = try world.left.poll { _, _, _ in }
      }
      try world.reopen()
      try world.ask(1)
      try world.until(ended: 1)
      while world.left.out.responders(of: service) != [] {
        _ = try world.left.poll { _, _, _ in }
      }
      // All that is told of names is told in order: it would have come back with the inbox.
      #expect(world.left.out.responders(of: world.recipient) == ["answerer"])
      #expect(world.left.out.responders(of: service) == [])
    }
  }

  @Test("a cancel comes before its request in the log of a second messenger, and stops it")
  func cancelled() throws {
    try Watchdog.bounding("a cancel to a peer that is known", seconds: 100) {
      let bus = try ClientBus()
      let asker = try bus.agent("asker")
      let answerer = try bus.agent("answerer")
      var right = try answerer.messenger()
      var first = try asker.messenger()
      let known = try first.out.agent("answerer")
      for number in 0..<8 {
        _ = try first.out.request(known, numbered(number), Pair.longAsking)
        var (started, ended) = ([Int](), 0)
        while ended == 0 {
          ended += try first.poll { _, _, _ in }
          started += try Self.answer(&right)
        }
        #expect(started == [number])
      }
      first.close()
      _ = consume first
      var second = try asker.messenger()
      let recipient = try second.out.agent("answerer")
      // The urgent lane is there, and nothing of the normal one was heard.
      _ = try second.out.send(recipient, numbered(8), SendOptions(priority: .critical))
      while try Self.answer(&right).isEmpty { second.drain(timeout: .milliseconds(10)) }
      let doomed = try second.out.request(recipient, numbered(9), Pair.longAsking)
      let isOut = second.drain(timeout: .seconds(50))
      #expect(isOut)
      try second.out.cancel(doomed)
      var started: [Int] = []
      var codes: [BusErrorCode] = []
      var replies = 0
      while codes.isEmpty, replies == 0 {
        replies += try second.poll { _, _, _ in
        } onFailure: { failure, _ in
          codes.append(failure.error.code)
        }
        started += try Self.answer(&right)
      }
      #expect(started.isEmpty && codes == [.cancelled])
    }
  }

  /// Answers what has arrived; returns the numbers of requests and messages.
  private static func answer(_ messenger: inout Messenger) throws -> [Int] {
    var numbers: [Int] = []
    let taken = try messenger.poll { message, incoming, out in
      guard incoming.kind != .cancel else { return }
      numbers.append(number(message.payload))
      if incoming.kind == .request { try? out.reply(to: incoming, message.payload) }
    }
    if taken == 0 { usleep(200) }
    return numbers
  }

  @Test("who asks without a pause hears of a service that has come back")
  func flow() throws {
    try Watchdog.bounding("requests that follow each other", seconds: 100) {
      let directory = try TemporaryDirectory("flow")
      let bus = try CLIBus(directory.path)
      func serve() throws -> Child {
        let service = try bus.start("reply", "up", "--echo")
        while service.isRunning, !service.stderrSoFar.contains("answering") { breathe() }
        return service
      }
      let asker = try bus.start("req", "up", "--stdin-lines", input: .pipe)
      defer { asker.kill() }
      var number = 0
      // Lines without a pause, until this is so.
      func ask(until isSeen: () -> Bool) {
        while asker.isRunning, !isSeen() {
          number += 1
          #expect(asker.send("line-\(number)\n"))
          breathe()
        }
      }
      let first = try serve()
      ask { asker.stdoutSoFar.contains("line-") }
      first.kill()
      ask { asker.stderrSoFar.contains("nobody answers") }
      let second = try serve()
      defer { second.kill() }
      let before = number
      func lastAnswered() -> Int {
        asker.stdoutSoFar.split(separator: "\n").compactMap { Int($0.dropFirst(5)) }.max() ?? 0
      }
      ask { lastAnswered() > before }
      #expect(lastAnswered() > before)
    }
  }

  @Test("a service without descriptors for a while answers who asked it then, once it has some")
  func starved() throws {
    try Watchdog.bounding("a service that was starved", seconds: 100) {
      var scene = try Starved()
      // It fails, or waits until its log can be read.
      _ = try scene.ask(SendOptions(timeoutNs: 300_000_000))
      try scene.service.limitFiles(to: 1024)
      let failure = try scene.ask(Pair.longAsking)
      #expect(failure == nil)
    }
  }

  @Test("a service without room for any log is offered one now and then, not one after the other")
  func pause() throws {
    try Watchdog.bounding("logs to a service that was starved", seconds: 100) {
      var scene = try Starved()
      let began = ContinuousClock.now
      // It hears at once that a log was made and is not read: so it goes on waiting.
      let options = SendOptions(timeoutNs: 1_000_000_000, priority: .critical)
      _ = try scene.ask(options, pauseUs: 4000)
      let most = 2 + Int((ContinuousClock.now - began) / .milliseconds(20))
      let made = scene.messenger.logsMade
      #expect(made <= most)
    }
  }

  /// A service without descriptors, and an agent that knows of it.
  private struct Starved: ~Copyable {
    private let home: TemporaryDirectory
    private let bus: CLIBus
    private let agent: Agent
    let service: Child
    var messenger: Messenger
    private let recipient: Recipient

    init() throws {
      let home = try TemporaryDirectory("return")
      let bus = try CLIBus(home.path)
      let service = try bus.start("reply", "up", "--echo", "--name", "starved")
      while service.isRunning, !service.stderrSoFar.contains("answering") { breathe() }
      let agent = try Bus.connect(to: bus.directory).register("asker", category: "test")
      var messenger = try agent.messenger(MessengerOptions())
      let recipient = try messenger.out.service("up")
      while messenger.out.responders(of: recipient).isEmpty {
        _ = try messenger.poll { _, _, _ in }
      }
      try service.limitFiles(to: 0)
      self.home = home
      (self.bus, self.agent, self.service) = (bus, agent, service)
      self.messenger = messenger
      self.recipient = recipient
    }

    deinit { service.kill() }

    /// Sends a request and returns how it failed; nil: it was answered.
    mutating func ask(_ options: SendOptions, pauseUs: UInt32 = 200) throws -> BusError? {
      _ = try messenger.out.request(recipient, numbered(1), options)
      var (answers, failures) = (0, [BusError]())
      while answers == 0, failures.isEmpty {
        let taken = try messenger.poll { _, _, _ in
          answers += 1
        } onFailure: { failure, _ in
          failures.append(failure.error)
        }
        if taken == 0 { usleep(pauseUs) }
      }
      return failures.first
    }
  }
}
