import BinaryComm
import BusTestSupport
import BusWire
import Glibc
import ProcessSupport
import Testing

@Suite("Large payloads in conversations", .serialized)
struct ConversationLargeTests {
  @Test(
    "a request and its reply are read in place, every byte as it was sent",
    arguments: [1 << 20, LargePayload.most])
  func inPlace(bytes: Int) throws {
    try Watchdog.bounding("large requests", seconds: 120) {
      var pair = try Pair()
      let recipient = try pair.left.out.agent("answerer")
      var faults: [String] = []
      var answered = 0
      let rounds = 6
      var sent = 0
      var asked = 0
      while answered < rounds {
        while sent < min(rounds, answered + 3) {
          let payload = LargePayload.bytes(sent, count: bytes)
          _ = try pair.left.out.request(recipient, payload, SendOptions(timeoutNs: 60_000_000_000))
          sent += 1
        }
        let taken = try pair.right.poll { message, incoming, out in
          if let fault = LargePayload.fault(message.payload, asked, count: bytes) {
            faults.append("request: \(fault)")
          }
          let reply = LargePayload.bytes(1000 + asked, count: bytes)
          asked += 1
          if failure({ () throws(BusError) in try out.reply(to: incoming, reply) }) != nil {
            faults.append("a reply was refused")
          }
        }
        pair.right.flush()
        let heard = try pair.left.poll { message, _, _ in
          if let fault = LargePayload.fault(message.payload, 1000 + answered, count: bytes) {
            faults.append("reply: \(fault)")
          }
          answered += 1
        } onFailure: { failure, _ in
          faults.append("\(failure.error)")
          answered += 1
        }
        pair.left.flush()
        if taken + heard == 0 { usleep(200) }
      }
      #expect(asked == rounds && answered == rounds)
      #expect(faults == [])
    }
  }

  @Test("a service answers 16 MiB with 16 MiB, and a reply of one byte more fails its request only")
  func service() async throws {
    try await Watchdog.bounding("large service", seconds: 120) {
      let bus = try ClientBus()
      let server = try bus.agent("server")
      let caller = try bus.agent("caller")
      try await server.serve("double", executor: OwnThreads.shared) { request in
        guard request.payload.count > 1 else {
          return [UInt8](repeating: 1, count: LargePayload.most + 1)
        }
        return request.payload
      }
      let payload = LargePayload.bytes(5, count: LargePayload.most)
      let over = await failure { () async throws(BusError) in
        _ = try await caller.request("double", [1], timeout: patient)
      }
      #expect(over.map { "\($0)".contains("16777216") } == true, "\(String(describing: over))")
      let reply = try await caller.request("double", payload, timeout: patient)
      #expect(reply.payload == payload)
      let more = payload + [0]
      let refused = await failure { () async throws(BusError) in
        _ = try await caller.request("double", more, timeout: patient)
      }
      #expect(
        refused == .payloadTooLarge(bytes: LargePayload.most + 1, limit: LargePayload.most))
      #expect(try await caller.request("double", [2, 3], timeout: patient).payload == [2, 3])
    }
  }

  @Test("more large requests at once than may wait are all answered, one after the other")
  func crowd() async throws {
    try await Watchdog.bounding("many large requests", seconds: 120) {
      let bus = try ClientBus()
      let server = try bus.agent("server")
      let caller = try bus.agent("caller")
      try await server.serve("length", executor: OwnThreads.shared) { request in
        numbered(request.payload.count + Int(request.payload[0]))
      }
      let large = [UInt8](repeating: 0, count: LargePayload.most - 1)
      try await withThrowingTaskGroup(of: Bool.self) { group in
        for value in 0..<12 {
          group.addTask {
            let payload = [UInt8(value)] + large
            let reply = try await caller.request("length", payload, timeout: patient)
            return number(reply.payload) == LargePayload.most + value
          }
        }
        for try await isRight in group { #expect(isRight) }
      }
    }
  }

  @Test("what waits for a handler is bounded in bytes; what is beyond it is refused with a reason")
  func handler() async throws {
    try await Watchdog.bounding("a handler that stands still", seconds: 120) {
      let bus = try ClientBus()
      let server = try bus.agent("server")
      let caller = try bus.agent("caller")
      let gate = Flag()
      let isWorking = Flag()
      try await server.serve("slow", concurrency: 1, executor: OwnThreads.shared) { request in
        isWorking.raise()
        await gate.isRaised()
        return numbered(request.payload.count)
      }
      let large = [UInt8](repeating: 1, count: LargePayload.most)
      var refused = 0
      var answered = 0
      try await withThrowingTaskGroup(of: BusError?.self) { group in
        for index in 0..<20 {
          group.addTask {
            await failure { () async throws(BusError) in
              let reply = try await caller.request("slow", large, timeout: patient)
              if number(reply.payload) != LargePayload.most { throw .corrupt("another length") }
            }
          }
          // The others find the handler at work on the first.
          if index == 0 { await isWorking.isRaised() }
        }
        for try await error in group {
          guard let error else {
            answered += 1
            continue
          }
          #expect(error.code == .resourceExhausted, "\(error)")
          refused += 1
          // One is worked on, and eight of them are 128 MiB: half, for others may come.
          if refused == 11 { gate.raise() }
        }
      }
      #expect(refused == 11 && answered == 9)
    }
  }

  @Test("without memory for it a large request fails with the reason; the next small one goes out")
  func quota() async throws {
    try await Watchdog.bounding("large request without memory", seconds: 120) {
      let bus = try ClientBus(["--agent-quota", "32MiB"])
      let server = try bus.agent("server")
      let caller = try bus.agent("caller")
      try await server.serve("echo", executor: OwnThreads.shared) { $0.payload }
      #expect(try await caller.request("echo", [1], timeout: patient).payload == [1])
      let large = LargePayload.bytes(0, count: LargePayload.most)
      let error = await failure { () async throws(BusError) in
        _ = try await caller.request("echo", large, timeout: patient)
      }
      #expect(error?.code == .resourceExhausted)
      #expect(
        error.map { "\($0)".contains("--agent-quota") } == true, "\(String(describing: error))")
      #expect(try await caller.request("echo", [2], timeout: patient).payload == [2])
      let half = LargePayload.bytes(1, count: 1 << 20)
      #expect(try await caller.request("echo", half, timeout: patient).payload == half)
    }
  }
}
