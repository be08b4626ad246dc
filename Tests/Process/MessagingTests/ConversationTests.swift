import BinaryComm
import BusTestSupport
import BusWire
import Glibc
import ProcessSupport
import Synchronization
import Testing

@Suite("Conversations")
struct ConversationTests {
  @Test("a request is answered by a service, and by an agent under its own name")
  func request() async throws {
    try await Watchdog.bounding("request", seconds: 60) {
      let bus = try ClientBus()
      let adder = try bus.agent("adder")
      let caller = try bus.agent("caller")
      try await adder.serve("math.add", executor: OwnThreads.shared) { request in
        #expect(request.requester == "caller" && request.service == "math.add")
        return numbered(number(request.payload) + 1)
      }
      try await adder.serve("adder", executor: OwnThreads.shared) { _ in Array("me".utf8) }
      for value in 0..<200 {
        let reply = try await caller.request("math.add", numbered(value), timeout: patient)
        #expect(number(reply.payload) == value + 1 && reply.responder == "adder")
      }
      let own = try await caller.request("adder", [], timeout: patient)
      #expect(own.payload == Array("me".utf8))
    }
  }

  @Test("many requests at once are all answered, each with its own reply")
  func concurrent() async throws {
    try await Watchdog.bounding("concurrent requests", seconds: 60) {
      let bus = try ClientBus()
      let doubler = try bus.agent("doubler")
      let caller = try bus.agent("caller")
      try await doubler.serve("double", executor: OwnThreads.shared) {
        numbered(number($0.payload) * 2)
      }
      try await withThrowingTaskGroup(of: Bool.self) { group in
        for value in 0..<1000 {
          group.addTask {
            number(try await caller.request("double", numbered(value), timeout: patient).payload)
              == value * 2
          }
        }
        for try await isRight in group { #expect(isRight) }
      }
    }
  }

  @Test("nobody answers: the caller is told at once, and again when the responder has left")
  func noResponders() async throws {
    try await Watchdog.bounding("no responders", seconds: 60) {
      let bus = try ClientBus()
      let caller = try bus.agent("caller")
      await #expect(throws: BusError.noResponders("nobody answers nowhere")) {
        try await caller.request("nowhere", [], timeout: .seconds(30))
      }
      let server = try bus.agent("server")
      let service = try await server.serve("here", executor: OwnThreads.shared) { $0.payload }
      #expect(try await caller.request("here", [1], timeout: patient).payload == [1])
      try await service.stop()
      // The news travels beside the messages: until it is there the responder itself says no.
      let after = await failure { () async throws(BusError) in
        _ = try await caller.request("here", [1], timeout: patient)
      }
      #expect(after?.code == .noResponders)
      server.close()
      await #expect(throws: BusError.self) {
        try await caller.request("server", [], timeout: .seconds(30))
      }
    }
  }

  @Test("errors of a service arrive with their code and text")
  func errors() async throws {
    try await Watchdog.bounding("service errors", seconds: 60) {
      let bus = try ClientBus()
      let server = try bus.agent("server")
      let caller = try bus.agent("caller")
      struct Odd: Error {}
      try await server.serve("own", executor: OwnThreads.shared) { _ in
        throw ServiceError(code: 4242, "no such account")
      }
      try await server.serve("any", executor: OwnThreads.shared) { _ in throw Odd() }
      try await server.serve("bus", executor: OwnThreads.shared) { _ in
        throw BusError.resourceExhausted("all out")
      }
      await #expect(throws: BusError.failed(code: 4242, "no such account")) {
        try await caller.request("own", [], timeout: patient)
      }
      let odd = await failure { () async throws(BusError) in
        _ = try await caller.request("any", [], timeout: patient)
      }
      #expect(odd?.code == .failed && odd?.detail.contains("Odd") == true)
      await #expect(throws: BusError.resourceExhausted("all out")) {
        try await caller.request("bus", [], timeout: patient)
      }
    }
  }

  @Test("a request that is not answered in time fails, and one without time is refused")
  func timeouts() async throws {
    try await Watchdog.bounding("timeouts", seconds: 60) {
      let bus = try ClientBus()
      let server = try bus.agent("server")
      let caller = try bus.agent("caller")
      try await server.serve("slow", executor: OwnThreads.shared) { request in
        try await Task.sleep(for: .seconds(3600))
        return request.payload
      }
      let late = await failure { () async throws(BusError) in
        _ = try await caller.request("slow", [], timeout: .milliseconds(50))
      }
      #expect(late?.code == .timeout)
      for timeout in [Duration.zero, .seconds(-1)] {
        let refused = await failure { () async throws(BusError) in
          _ = try await caller.request("slow", [], timeout: timeout)
        }
        #expect(refused?.code == .invalid)
      }
    }
  }

  @Test("a responder that ends takes its requests with it: the caller is told that it died")
  func peerDied() async throws {
    try await Watchdog.bounding("peer died", seconds: 60) {
      let bus = try ClientBus()
      let server = try bus.agent("server")
      let caller = try bus.agent("caller")
      let begun = Flag()
      try await server.serve("never", executor: OwnThreads.shared) { request in
        begun.raise()
        try await Task.sleep(for: .seconds(3600))
        return request.payload
      }
      let asked = Task(executorPreference: OwnThreads.shared) {
        try await caller.request("never", [], timeout: .seconds(3000))
      }
      await begun.isRaised()
      server.close()
      let outcome = await asked.result
      guard case .failure(let error as BusError) = outcome else {
        Issue.record("the request was answered")
        return
      }
      // Handlers are cancelled when their agent closes, and may still say so.
      #expect(error.code == .peerDied || error.code == .cancelled)
    }
  }

  @Test("a reply comes in parts, in order; a consumer that leaves stops the responder")
  func streamed() async throws {
    try await Watchdog.bounding("streamed replies", seconds: 60) {
      let bus = try ClientBus()
      let server = try bus.agent("server")
      let caller = try bus.agent("caller")
      let stopped = Flag()
      try await server.serve("count", executor: OwnThreads.shared) { request in
        for value in 0..<number(request.payload) { try await request.send(numbered(value)) }
        return numbered(-1)
      }
      try await server.serve("forever", executor: OwnThreads.shared) { request in
        do {
          while true {
            try await request.send(numbered(0))
            await rest(milliseconds: 1)
            try Task.checkCancellation()
          }
        } catch {
          stopped.raise()
          throw error
        }
      }
      var seen: [Int] = []
      for try await part in try await caller.replies("count", numbered(5000), buffer: 6000) {
        seen.append(number(part.payload))
      }
      #expect(seen == Array(0..<5000) + [-1])
      let endless = try await caller.replies("forever", [])
      var parts = endless.makeAsyncIterator()
      _ = try await parts.next()
      endless.cancel()
      await stopped.isRaised()
      let end = await failure { () async throws(BusError) in
        while try await parts.next() != nil {}
      }
      #expect(end?.code == .cancelled)
    }
  }

  @Test("every responder is asked, and the first one that answers ends the others")
  func gather() async throws {
    try await Watchdog.bounding("gather", seconds: 60) {
      let bus = try ClientBus()
      let caller = try bus.agent("caller")
      var servers: [Agent] = []
      for name in ["a", "b", "c"] {
        let server = try bus.agent(name)
        try await server.serve("price", executor: OwnThreads.shared) { _ in
          if name == "b" { throw ServiceError(code: 2000, "closed today") }
          return Array(name.utf8)
        }
        try await server.serve("race", executor: OwnThreads.shared) { _ in
          if name != "c" { try await Task.sleep(for: .seconds(3600)) }
          return Array(name.utf8)
        }
        servers.append(server)
      }
      let all = try await caller.gather("price", [], timeout: patient)
      #expect(Set(all.replies.map(\.responder)) == ["a", "c"])
      #expect(all.failures == [.failed(code: 2000, "closed today")])
      let first = try await caller.gather("race", [], until: .first, timeout: .seconds(3000))
      #expect(first.replies.map(\.responder) == ["c"])
      withExtendedLifetime(servers) {}
    }
  }

  @Test("requests go round among those who answer")
  func roundRobin() async throws {
    try await Watchdog.bounding("round robin", seconds: 60) {
      let bus = try ClientBus()
      let caller = try bus.agent("caller")
      let servers = [try bus.agent("a"), try bus.agent("b")]
      for server in servers {
        try await server.serve("echo", executor: OwnThreads.shared) { $0.payload }
      }
      var counts: [String: Int] = [:]
      for _ in 0..<20 {
        counts[try await caller.request("echo", [], timeout: patient).responder, default: 0] += 1
      }
      #expect(counts == ["a": 10, "b": 10])
    }
  }

  @Test("direct messages reach an agent, and all members of a team")
  func direct() async throws {
    try await Watchdog.bounding("direct messages", seconds: 60) {
      let bus = try ClientBus()
      let sender = try bus.agent("sender")
      let one = try bus.agent("one")
      let two = try bus.agent("two")
      let atOne = try await one.messages()
      let atTwo = try await two.messages()
      try await one.join(team: "reviewers")
      try await two.join(team: "reviewers")
      try await sender.tell("one", numbered(1))
      try await sender.command("two", numbered(2), priority: .critical)
      var ones = atOne.makeAsyncIterator()
      var twos = atTwo.makeAsyncIterator()
      let fact = try #require(await ones.next())
      #expect(number(fact.payload) == 1 && fact.sender == "sender" && !fact.isCommand)
      let order = try #require(await twos.next())
      #expect(number(order.payload) == 2 && order.isCommand && order.priority == .critical)
      try await sender.tell(team: "reviewers", numbered(3))
      let third = try #require(await ones.next())
      let fourth = try #require(await twos.next())
      #expect(number(third.payload) == 3 && third.name == "reviewers")
      #expect(number(fourth.payload) == 3)
    }
  }

  @Test("a service's handlers may run on an executor that begins with them at once")
  func inlineExecutor() async throws {
    try await Watchdog.bounding("an inline executor", seconds: 60) {
      let bus = try ClientBus()
      let adder = try bus.agent("adder")
      let asker = try bus.agent("asker")
      try await adder.serve("double", executor: AtOnce()) { numbered(number($0.payload) * 2) }
      for value in 1...3 {
        let reply = try await asker.request("double", numbered(value), timeout: patient)
        #expect(number(reply.payload) == value * 2)
      }
    }
  }

  /// Runs each job on the thread that hands it over.
  private final class AtOnce: TaskExecutor {
    func enqueue(_ job: consuming ExecutorJob) {
      let job = UnownedJob(job)
      unsafe job.runSynchronously(on: asUnownedTaskExecutor())
    }
  }
}

/// Other tests of this process keep the CPUs busy.
let patient = Duration.seconds(50)

/// The error that the body throws, nil when it throws none.
func failure(_ body: () async throws(BusError) -> Void) async -> BusError? {
  do throws(BusError) {
    try await body()
    return nil
  } catch {
    return error
  }
}
