import BinaryComm
import BusTestSupport
import BusWire
import Glibc
import ProcessSupport
import Synchronization
import Testing

@Suite("Ends of conversations")
struct ConversationEndTests {
  @Test("a task that is cancelled already sends nothing, whatever it calls")
  func cancelledAlready() async throws {
    try await Watchdog.bounding("cancelled already", seconds: 60) {
      let bus = try ClientBus()
      let server = try bus.agent("server")
      let caller = try bus.agent("caller")
      let runs = Atomic(0)
      try await server.serve("work", executor: OwnThreads.shared) { request in
        runs.add(1, ordering: .relaxed)
        return request.payload
      }
      _ = try await caller.request("work", [], timeout: patient)
      for number in 0..<4 {
        let code = await Task(executorPreference: OwnThreads.shared) {
          unsafe withUnsafeCurrentTask { task in unsafe task?.cancel() }
          do {
            try await call(caller, number)
            return nil as BusErrorCode?
          } catch {
            return (error as? BusError)?.code
          }
        }.value
        #expect(code == .cancelled)
      }
      // What had been sent would have come before this one.
      _ = try await caller.request("work", [], timeout: patient)
      #expect(runs.load(ordering: .relaxed) == 2)
    }
  }

  private func call(_ caller: Agent, _ number: Int) async throws {
    switch number {
    case 0: _ = try await caller.request("work", [], timeout: patient)
    case 1: _ = try await caller.gather("work", [], timeout: patient)
    case 2: _ = try await caller.replies("work", [], timeout: patient)
    default: try await caller.tell("server", [])
    }
  }

  @Test("a request that waits for credit and is cancelled returns at once and is never sent")
  func cancelledWithoutCredit() async throws {
    try await Watchdog.bounding("cancelled without credit", seconds: 60) {
      let bus = try ClientBus()
      let server = try bus.agent("server")
      let caller = try bus.agent("caller")
      let runs = Atomic(0)
      let full = Flag()
      let goOn = Flag()
      try await server.serve("work", concurrency: 128, executor: OwnThreads.shared) { request in
        if runs.add(1, ordering: .relaxed).newValue == 64 { full.raise() }
        await goOn.isRaised()
        return request.payload
      }
      let first = (0..<64).map { _ in
        Task(executorPreference: OwnThreads.shared) {
          try await caller.request("work", [], timeout: .seconds(3000))
        }
      }
      await full.isRaised()
      let late = Task(executorPreference: OwnThreads.shared) {
        await failure { () async throws(BusError) in
          _ = try await caller.request("work", [], timeout: .seconds(3000))
        }
      }
      await rest(milliseconds: 50)
      late.cancel()
      late.cancel()
      #expect(await late.value?.code == .cancelled)
      goOn.raise()
      for task in first { _ = try await task.value }
      _ = try await caller.request("work", [], timeout: patient)
      #expect(runs.load(ordering: .relaxed) == 65)
    }
  }

  @Test("a requester that does not read holds up no other, and its cancel frees the handler")
  func stoppedRequester() async throws {
    try await Watchdog.bounding("a stopped requester", seconds: 90) {
      let bus = try ClientBus()
      let server = try bus.agent("server")
      let reader = try bus.agent("reader")
      let still = try bus.agent("still")
      let ended = Flag()
      let crowded = Flag()
      try await server.serve("parts", executor: OwnThreads.shared) { request in
        let isStill = request.requester == "still"
        let part = [UInt8](repeating: 7, count: isStill ? 1 << 20 : 8)
        do {
          for count in 0..<(isStill ? 1000 : 2000) {
            if count == 40 { crowded.raise() }
            try await request.send(part)
          }
        } catch {
          if isStill { ended.raise() }
          throw error
        }
        return part
      }
      var silent = try still.messenger()
      let service = try silent.out.service("parts")
      var id: UInt32?
      while id == nil {
        _ = try silent.poll { _, _, _ in }
        if silent.out.isResolved(service) {
          id = try silent.out.request(service, [], SendOptions(timeoutNs: 3_000_000_000_000))
        }
      }
      let isSent = silent.drain(timeout: patient)
      #expect(isSent)
      // From here on it reads nothing.
      await crowded.isRaised()
      var seen = 0
      for try await _ in try await reader.replies("parts", [], buffer: 4000) { seen += 1 }
      #expect(seen == 2001)
      try silent.out.cancel(try #require(id))
      let isCancelSent = silent.drain(timeout: patient)
      #expect(isCancelSent)
      await ended.isRaised()
    }
  }

  @Test("a service that was stopped lets its handler go, and may be answered again")
  func stop() async throws {
    try await Watchdog.bounding("a stopped service", seconds: 60) {
      let bus = try ClientBus()
      let server = try bus.agent("server")
      let caller = try bus.agent("caller")
      var held: Flag? = Flag()
      weak let captured = held
      var service: ServiceRegistration? = try await serve(server, holding: held)
      held = nil
      #expect(captured != nil)
      _ = try await caller.request("work", [], timeout: patient)
      try await service?.stop()
      try await service?.stop()
      service = nil
      let refused = await failure { () async throws(BusError) in
        _ = try await caller.request("work", [], timeout: patient)
      }
      #expect(refused?.code == .noResponders)
      while captured != nil { await rest(milliseconds: 1) }
      try await server.serve("work", executor: OwnThreads.shared) { _ in [9] }
      var answer: Reply?
      while answer == nil { answer = try? await caller.request("work", [], timeout: patient) }
      #expect(answer?.payload == [9])
    }
  }

  private func serve(_ server: Agent, holding flag: Flag?) async throws -> ServiceRegistration {
    try await server.serve("work", executor: OwnThreads.shared) { request in
      flag?.raise()
      return request.payload
    }
  }

  @Test("a requester that ends takes the work for it along")
  func requesterEnds() async throws {
    try await Watchdog.bounding("a requester that ends", seconds: 60) {
      let bus = try ClientBus()
      let server = try bus.agent("server")
      let caller = try bus.agent("caller")
      let begun = Flag()
      let stopped = Flag()
      try await server.serve("long", executor: OwnThreads.shared) { request in
        begun.raise()
        do { try await Task.sleep(for: .seconds(3600)) } catch { stopped.raise() }
        return request.payload
      }
      let asked = Task(executorPreference: OwnThreads.shared) {
        try? await caller.request("long", [], timeout: .seconds(3000))
      }
      await begun.isRaised()
      caller.close()
      await stopped.isRaised()
      _ = await asked.value
    }
  }

  @Test("a responder that ends in order is known to have ended, also without a router")
  func responderEndsWithoutRouter() throws {
    try Watchdog.bounding("a responder that ends without a router", seconds: 60) {
      var pair = try Pair()
      let recipient = try pair.openLanes()
      try pair.bus.endRouter(SIGKILL)
      pair.right.close()
      // Large ones: after some of them the writer has to look who still reads.
      while pair.failures.isEmpty {
        let refusal = failure { () throws(BusError) in
          _ = try pair.left.out.request(
            recipient, numbered(1, bytes: 4000), SendOptions(timeoutNs: 3_000_000_000_000))
        }
        if let refusal, refusal != .wouldBlock { pair.failures.append(refusal) }
        try pair.hear()
        usleep(200)
      }
      #expect(pair.failures.allSatisfy { $0.code == .peerDied })
    }
  }

  @Test("one responder that reads nothing is one failure of a scatter, and one of a team")
  func partial() async throws {
    try await Watchdog.bounding("a scatter with one full lane", seconds: 90) {
      let bus = try ClientBus()
      let server = try bus.agent("server")
      let still = try bus.agent("still")
      let caller = try bus.agent("caller")
      try await server.serve("work", executor: OwnThreads.shared) { $0.payload }
      try await server.join(team: "crew")
      var silent = try still.messenger()
      try silent.answer("work")
      try silent.join(team: "crew")
      var loop = try caller.messenger()
      let work = try loop.out.service("work")
      let crew = try loop.out.team("crew")
      let direct = try loop.out.agent("still")
      while loop.out.responders(of: work).count < 2 || loop.out.responders(of: crew).count < 2
        || loop.out.responders(of: direct).isEmpty
      { _ = try loop.poll { _, _, _ in } }
      let large = [UInt8](repeating: 1, count: 1 << 20)
      var refusal: BusError?
      while refusal == nil {
        do throws(BusError) { try loop.out.send(direct, large) } catch { refusal = error }
        _ = try loop.poll { _, _, _ in }
      }
      #expect(refusal?.code == .resourceExhausted)
      for _ in 0..<5 {
        let delivery = try loop.out.deliver(crew, [1])
        #expect(delivery.sent == 1 && delivery.failures.map(\.agent) == ["still"])
        let ids = try loop.out.scatter(work, [5])
        var failed: [RequestFailure] = []
        var answered: [UInt32] = []
        while failed.count + answered.count < 2 {
          _ = try loop.poll { _, incoming, _ in
            answered.append(incoming.correlationId)
          } onFailure: { failure, _ in
            failed.append(failure)
          }
        }
        #expect(ids.count == 2 && Set(answered + failed.map(\.correlationId)) == Set(ids))
        #expect(failed.map(\.error.code) == [.resourceExhausted] && answered.count == 1)
      }
      withExtendedLifetime(silent.statistics) {}
    }
  }

  @Test("a scatter that finds no place for each of its requests sends none of them")
  func placesForAll() throws {
    try Watchdog.bounding("a scatter without places", seconds: 60) {
      let bus = try ClientBus()
      let agents = try ["first", "second", "caller"].map { try bus.agent($0) }
      defer { withExtendedLifetime(agents) {} }
      var first = try agents[0].messenger()
      var second = try agents[1].messenger()
      try first.answer("work")
      try second.answer("work")
      var loop = try agents[2].messenger(MessengerOptions(requestsMax: 64))
      let work = try loop.out.service("work")
      while loop.out.responders(of: work).count < 2 { _ = try loop.poll { _, _, _ in } }
      var toAnswer: [InboxMessage] = []
      /// What arrives until it is so much, and in a while after it.
      func arrived(_ count: Int) throws -> [Int] {
        var values: [Int] = []
        var turnsLeft = 50
        while turnsLeft > 0 {
          if values.count >= count { turnsLeft -= 1 }
          _ = try loop.poll { _, _, _ in }
          _ = try first.poll { message, incoming, _ in
            values.append(number(message.payload))
            toAnswer.append(incoming)
          }
          _ = try second.poll { message, _, _ in values.append(number(message.payload)) }
        }
        return values.sorted()
      }
      for value in 1...63 { _ = try loop.out.request(work, numbered(value)) }
      #expect(try arrived(63) == Array(1...63))
      #expect(throws: BusError.wouldBlock) { try loop.out.scatter(work, numbered(64)) }
      #expect(try arrived(0) == [])
      try first.out.reply(to: toAnswer[0], numbered(0))
      var isAnswered = false
      while !isAnswered {
        _ = try first.poll { _, _, _ in }
        _ = try loop.poll { _, _, _ in isAnswered = true }
      }
      #expect(try loop.out.scatter(work, numbered(5)).count == 2)
      #expect(try arrived(2) == [5, 5])
    }
  }

  @Test("requesters that send one request and end do not all choose the same responder")
  func shortLived() async throws {
    try await Watchdog.bounding("short-lived requesters", seconds: 60) {
      let bus = try ClientBus()
      let servers = [try bus.agent("a"), try bus.agent("b")]
      for server in servers {
        try await server.serve("echo", executor: OwnThreads.shared) { $0.payload }
      }
      var seen: Set<String> = []
      // Of 64 fair choices all are alike once in 2^63 runs.
      for number in 0..<64 where seen.count < 2 {
        let caller = try bus.agent("caller-\(number)")
        seen.insert(try await caller.request("echo", [], timeout: patient).responder)
        caller.close()
      }
      #expect(seen == ["a", "b"])
    }
  }
}
