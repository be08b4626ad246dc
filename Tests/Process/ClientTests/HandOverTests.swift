import BinaryComm
import BusLog
import BusTestSupport
import BusWire
import Foundation
import Glibc
import ProcessSupport
import Testing

/// Logs that come when the reader's process has no descriptor left: the limit is that of a process
/// of its own.
@Suite("Hand-overs without a descriptor", .serialized)
struct HandOverTests {
  @Test("a new publisher is told as missed, and read as soon as there is a descriptor")
  func newPublisher() async {
    await #expect(processExitsWith: .success) {
      try Watchdog.bounding("a new publisher without a descriptor", seconds: 100) {
        let bus = try ClientBus()
        let listener = try bus.agent("listener")
        var reader = try listener.reader("alerts.>", mode: .lossless)
        let line = "exec \"$0\" pub alerts.a '{{count}}' --template --count 1000000 --rate 100"
        let feed = try Self.feed(
          bus, "while ! test -d \(bus.directory)/go; do sleep 0.05; done; " + line)
        defer { feed.kill() }
        var bodies: [String] = []
        try OpenFiles.withNone {
          _ = unsafe mkdir("\(bus.directory)/go", 0o700)
          try Self.untilTold(&reader, &bodies)
        }
        while bodies.isEmpty { try Self.take(&reader, &bodies) }
      }
    }
  }

  @Test("the log that follows is told as missed, and all of it is read afterwards")
  func nextLog() async {
    await #expect(processExitsWith: .success) {
      try Watchdog.bounding("a following log without a descriptor", seconds: 100) {
        let bus = try ClientBus(["--stall", "600"])
        let listener = try bus.agent("listener")
        var reader = try listener.reader("alerts.>", mode: .lossless)
        let feed = try Self.feed(bus, "exec \"$0\" pub alerts.a --stdin-lines --timeout 600")
        defer { feed.kill() }
        feed.send("first\n")
        var bodies: [String] = []
        while bodies.isEmpty { try Self.take(&reader, &bodies) }
        // More than the log has room for: while nothing is read the next one is made.
        let filler = String(repeating: "x", count: 2000)
        try OpenFiles.withNone {
          for number in 0..<300 { feed.send("\(number) \(filler)\n") }
          try Self.untilTold(&reader, &bodies)
        }
        while bodies.count < 301 { try Self.take(&reader, &bodies) }
        let numbers = bodies.dropFirst().map { Int($0.prefix { $0 != " " }) }
        guard bodies[0] == "first", numbers == (0..<300).map({ $0 }) else {
          print("child process: \(bodies.map { $0.prefix(8) })")
          throw Unexpected()
        }
      }
    }
  }

  @Test("an agent is told whose requests it cannot read, and answers others afterwards")
  func requests() async {
    await #expect(processExitsWith: .success) {
      try await Watchdog.bounding("a request without a descriptor", seconds: 100) {
        let bus = try ClientBus()
        let answerer = try bus.agent("answerer")
        let (told, telling) = AsyncStream.makeStream(of: StreamProblem.self)
        answerer.onInboxProblem { telling.yield($0) }
        _ = try await answerer.serve("echo", executor: OwnThreads.shared) { $0.payload }
        let line = "exec \"$0\" req echo hello --name asker --timeout 60"
        let asker = try Self.feed(
          bus, "while ! test -d \(bus.directory)/go; do sleep 0.05; done; " + line)
        defer { asker.kill() }
        let before = try OpenFiles.limit(to: 3)
        _ = unsafe mkdir("\(bus.directory)/go", 0o700)
        let problem = await told.first { _ in true }
        _ = try OpenFiles.limit(to: before)
        guard problem?.publisher == "asker", problem?.error.cause == .descriptors else {
          print("child process: \(String(describing: problem))")
          throw Unexpected()
        }
        // What could not be read is not answered, but what had not been written yet; so is what
        // comes now.
        let asked = try asker.wait()
        guard asked.stderr.contains("PEER_DIED") || asked.stdout == "hello\n" else {
          print("child process: \(asked)")
          throw Unexpected()
        }
        let words = ["req", "echo", "hello", "--timeout", "60", "--dir", bus.directory]
        guard try Child.run(try Programs.path("bcs"), words).stdout == "hello\n" else {
          throw Unexpected()
        }
        answerer.close()
      }
    }
  }

  @Test("a publisher that lets nobody in for want of a descriptor is said to need a larger limit")
  func noRoomAtThePublisher() async {
    await #expect(processExitsWith: .success) {
      try Watchdog.bounding("a publisher without a descriptor", seconds: 100) {
        let bus = try ClientBus()
        let writer = try bus.agent("writer")
        var publisher = try writer.publisher(on: "alerts")
        let line = "exec \"$0\" sub alerts --lossless"
        let reader = try Self.feed(
          bus, "while ! test -d \(bus.directory)/go; do sleep 0.05; done; " + line)
        defer { reader.kill() }
        try OpenFiles.withNone {
          _ = unsafe mkdir("\(bus.directory)/go", 0o700)
          while reader.isRunning, !reader.stderrSoFar.contains("EVICTED") { breathe() }
        }
        guard reader.stderrSoFar.contains("raise its limit of open files") else {
          print("child process: \(reader.stderrSoFar)")
          throw Unexpected()
        }
        publisher.close()
      }
    }
  }

  private struct Unexpected: Error {}

  private static func feed(_ bus: borrowing ClientBus, _ script: String) throws -> Child {
    try Child.start(
      "/bin/sh", ["-c", script, try Programs.path("bcs")],
      environment: ["BCS_DIR": bus.directory], input: .pipe)
  }

  private static func take(_ reader: inout Reader, _ bodies: inout [String]) throws {
    while try reader.poll({ bodies.append(String(decoding: $0.bytes, as: UTF8.self)) }) > 0 {}
  }

  /// Polls until it is told that a hand-over was lost.
  private static func untilTold(_ reader: inout Reader, _ bodies: inout [String]) throws {
    while true {
      do {
        try take(&reader, &bodies)
      } catch let error as BusError where error.cause == .descriptors {
        return
      }
      breathe()
    }
  }
}
