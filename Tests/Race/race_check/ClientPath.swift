import BinaryComm
import BusLog
import Glibc
import Synchronization

/// Agents of one process, each with its service thread, its desk and subscriptions, against a real
/// router; they read each other's logs, cursors and counters on one mapping.
struct ClientPath {
  let address: String
  private static let rounds = 300

  func run() async throws -> Int {
    let bus = try Bus.connect(to: address)
    let (alice, bob, carol) = (
      try await bus.register("alice"), try await bus.register("bob"),
      try await bus.register("carol")
    )
    defer { for agent in [alice, bob, carol] { agent.close() } }
    async let heard = listen(bob, alice)
    async let asked = converse(alice, bob, carol)
    return try await heard + asked + blobs(carol, bob)
  }

  /// One agent publishes, another hears it in all three modes.
  private func listen(_ reader: Agent, _ writer: Agent) async throws -> Int {
    let all = try await reader.subscribe("news.>", mode: .lossless, buffer: 16)
    let some = try await reader.subscribe("news.>", mode: .lossy, buffer: 16)
    let newest = try await reader.subscribe("news.>", mode: .latest, buffer: 16)
    async let published: Void = {
      for number in 0..<Self.rounds {
        let size = number % 50 == 49 ? 30_000 : number % 400
        let payload = [UInt8](repeating: UInt8(number & 255), count: size)
        try await writer.publish("news.\(number % 7)", payload)
      }
    }()
    var count = 0
    for try await message in all {
      count += message.payload.isEmpty ? 1 : Int(message.payload[0] & 1) | 1
      if count == Self.rounds { break }
    }
    try await published
    for subscription in [all, some, newest] { subscription.cancel() }
    for try await _ in some {}
    for try await _ in newest {}
    return count
  }

  /// Requests, streams of replies, gathering, direct messages, teams and cancelled requests.
  private func converse(_ asker: Agent, _ first: Agent, _ second: Agent) async throws -> Int {
    for agent in [first, second] {
      try await agent.serve("double") { request in
        if request.payload.count > 100 { try await Task.sleep(for: .milliseconds(1)) }
        return request.payload + request.payload
      }
    }
    let messages = try await second.messages()
    var count = 0
    for number in 0..<Self.rounds / 3 {
      let payload = [UInt8](repeating: UInt8(number & 255), count: number)
      count += try await asker.request("double", payload).payload.count == 2 * number ? 1 : 0
      if number % 10 == 0 {
        count += try await asker.gather("double", payload).replies.count
        try await asker.tell("carol", payload)
        let task = Task { try await asker.request("double", [UInt8](repeating: 1, count: 200)) }
        task.cancel()
        _ = await task.result
      }
    }
    var direct = 0
    for try await _ in messages {
      direct += 1
      if direct == Self.rounds / 30 { break }
    }
    return count + direct
  }

  private func blobs(_ maker: Agent, _ reader: Agent) async throws -> Int {
    let blob = try maker.makeBlob([UInt8](repeating: 3, count: 10_000))
    let opened = try reader.openBlob(blob.reference)
    let copy = opened.copy()
    blob.drop()
    return copy.count == 10_000 ? 1 : 0
  }
}
