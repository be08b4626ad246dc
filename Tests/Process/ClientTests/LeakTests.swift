import BinaryComm
import BusLog
import BusTestSupport
import Foundation
import Glibc
import ProcessSupport
import Testing

@Suite("Agents that come and go leave nothing behind", .serialized)
struct LeakTests {
  @Test("not in their own process: no descriptor, thread, mapping or memory")
  func ownProcess() async {
    await #expect(processExitsWith: .success) {
      try await Watchdog.bounding("agents that come and go", seconds: 120) {
        let bus = try ClientBus()
        for round in 0..<100 { try await live(bus.directory, round) }
        let before = try Holdings(settledFrom: nil)
        for round in 0..<300 { try await live(bus.directory, round) }
        let after = try Holdings(settledFrom: before)
        print("before \(before), after \(after)")
        // A thread or a segment costs 64 KiB at least: one in five rounds would show.
        guard after.isWithin(before), after.residentKiB < before.residentKiB + 4096 else {
          throw LeftBehind()
        }
      }
    }
  }

  @Test(
    "not in the router: no descriptor, and no more memory than before",
    .enabled(if: geteuid() == 0, "only root can look into an undumpable process"))
  func router() throws {
    try Watchdog.bounding("a router whose agents come and go", seconds: 120) {
      let dir = try TemporaryDirectory("leak")
      let bus = try CLIBus(dir.path)
      let resident = try rounds(100, bus)
      let later = try rounds(400, bus)
      print("router: \(resident) KiB after 100 rounds, \(later) KiB after 500")
      #expect(later < resident + 1024)
    }
  }

  /// Lets agents of this process join and leave; returns what the router then has in memory.
  private func rounds(_ count: Int, _ bus: CLIBus) throws -> Int {
    let descriptors = entries(of: "fd", bus.routerPID)
    for round in 0..<count {
      let agents = try (0..<3).map {
        try agent(bus.directory, "agent\(round).\($0)")
      }
      var publisher = try agents[0].publisher(on: "ticks")
      var reader = try agents[1].reader("ticks", mode: .lossless)
      try publisher.publish("ticks", numbered(round))
      #expect(try reader.take(1) == [round])
      // Some leave in order, some with all that they have.
      if round % 2 == 0 {
        publisher.close()
        reader.close()
      }
      for agent in agents { agent.close() }
    }
    while entries(of: "fd", bus.routerPID) != descriptors { breathe() }
    return try residentKiB(bus.routerPID)
  }
}

private struct LeftBehind: Error {}

private func agent(_ directory: String, _ name: String) throws -> Agent {
  try Bus.connect(to: directory).register(name)
}

/// One life of two agents with everything they may have.
private func live(_ directory: String, _ round: Int) async throws {
  let writer = try agent(directory, "writer")
  let listener = try agent(directory, "listener")
  var reader = try listener.reader("ticks", mode: .lossless, wait: .sleep)
  let handle = try reader.pollable()
  let forgotten = try reader.pollable()
  _ = forgotten.descriptor
  let copies = try await listener.subscribe("ticks", mode: .lossy)
  var publisher = try writer.publisher(
    on: "ticks", options: PublisherOptions(firstLogBytes: 16 << 10))
  try publisher.publish("ticks", numbered(round))
  // Does not fit the first log: the stream goes on in a larger one.
  try publisher.publish("ticks", numbered(round, bytes: 10_000))
  guard try reader.take(2) == [round, round] else { throw LeftBehind() }
  var iterator = copies.makeAsyncIterator()
  guard try await iterator.next().map({ number($0.payload) }) == round else { throw LeftBehind() }
  try await writer.publish("alerts.x", numbered(round))
  handle.close()
  copies.cancel()
  if round % 2 == 0 {
    reader.close()
    publisher.close()
  }
  listener.close()
  writer.close()
}

/// What this process holds.
private struct Holdings: Equatable {
  var descriptors = 0
  var threads = 0
  var sharedMappings = 0
  var residentKiB = 0

  /// Looks again and again until threads that end have ended: until it holds no more than `wanted`,
  /// or for some seconds.
  init(settledFrom wanted: Holdings?) throws {
    let pid = getpid()
    for _ in 0..<300 {
      usleep(10_000)
      descriptors = entries(of: "fd", pid)
      threads = entries(of: "task", pid)
      // In the file system of the kernel a file has no size by which it could be read whole.
      let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: "/proc/self/maps"))
      let maps = String(decoding: try file.readToEnd() ?? Data(), as: UTF8.self)
      sharedMappings = maps.split(separator: "\n").count { $0.contains("/memfd:bcs") }
      if let wanted, isWithin(wanted) { break }
    }
    residentKiB = try ClientTests.residentKiB(pid)
  }

  /// Whether it holds no more than another time; the runtime's own threads may end in between.
  func isWithin(_ other: Holdings) -> Bool {
    descriptors <= other.descriptors && threads <= other.threads
      && sharedMappings <= other.sharedMappings
  }
}

private func entries(of folder: String, _ pid: Int32) -> Int {
  (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/\(folder)").count) ?? -1
}

private func residentKiB(_ pid: Int32) throws -> Int {
  let status = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
  let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
  return try #require(line?.split(separator: " ").dropLast().last.flatMap { Int($0) })
}
