import BinaryComm
import BusTestSupport
import BusWire
import Glibc
import ProcessSupport
import Synchronization
import Testing

/// The places that requests take, at the requester and at the service, are given back whichever way
/// a request ends.
@Suite("Places of requests")
struct ConversationPlaceTests {
  @Test("a request that ends without a reply gives its credit back")
  func credit() throws {
    try Watchdog.bounding("credit of failed requests", seconds: 60) {
      var pair = try Pair(MessengerOptions(inFlight: 1))
      let recipient = try pair.openLanes()
      for round in 0..<6 {
        let isLate = round % 2 == 0
        let options = SendOptions(timeoutNs: isLate ? 1_000_000 : 50_000_000_000)
        _ = try pair.left.out.request(recipient, numbered(round), options)
        if !isLate {
          while pair.numbers.last != round {
            if try pair.hear() + pair.take() == 0 { usleep(200) }
          }
          let asked = try #require(pair.arrived.last)
          try pair.right.out.fail(asked, .cancelled("not now"))
        }
        try pair.until(ended: round + 1)
      }
      let turns = [BusErrorCode.timeout, .cancelled]
      #expect(pair.failures.map(\.code) == turns + turns + turns)
    }
  }

  @Test("a request that waits for a handler and is cancelled is never worked on")
  func waiting() async throws {
    try await Watchdog.bounding("cancelled while it waits", seconds: 60) {
      let bus = try ClientBus()
      let server = try bus.agent("server")
      let caller = try bus.agent("caller")
      let (begun, goOn) = (Flag(), Flag())
      let worked = Mutex<[[UInt8]]>([])
      try await server.serve("probe", executor: OwnThreads.shared) { $0.payload }
      try await server.serve("one", concurrency: 1, executor: OwnThreads.shared) { request in
        worked.withLock { $0.append(request.payload) }
        begun.raise()
        await goOn.isRaised()
        return request.payload
      }
      func ask(_ value: UInt8) -> Task<Reply, any Error> {
        Task(executorPreference: OwnThreads.shared) {
          try await caller.request("one", [value], timeout: .seconds(50))
        }
      }
      // Cancels go by the urgent lane, whose log is made when it is first used.
      _ = try await caller.request("probe", [], timeout: patient, priority: .critical)
      let first = ask(1)
      await begun.isRaised()
      let second = ask(2)
      // One lane: what is answered now arrived behind the request that waits.
      await rest(milliseconds: 50)
      _ = try await caller.request("probe", [], timeout: patient)
      second.cancel()
      let outcome = await second.result
      let error = #expect(throws: BusError.self) { _ = try outcome.get() }
      #expect(error?.code == .cancelled)
      // The cancel went before this one, in a lane that is read first.
      _ = try await caller.request("probe", [], timeout: patient)
      let third = ask(3)
      goOn.raise()
      _ = try await (first.value, third.value)
      #expect(worked.withLock { $0 } == [[1], [3]])
    }
  }
}
