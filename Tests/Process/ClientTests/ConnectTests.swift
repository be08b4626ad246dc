import BinaryComm
import BusSystem
import BusTestSupport
import BusWire
import Foundation
import Glibc
import ProcessSupport
import Testing

@Suite("A router that takes nobody in", .serialized)
struct ConnectTests {
  /// A socket at a router's path whose queue is full, as that of a stopped router gets in time.
  private final class FullQueue {
    let directory: String
    private let home: TemporaryDirectory
    private var sockets: [Int32] = []

    init() throws {
      home = try TemporaryDirectory("queue")
      directory = home.file("run")
      try #require(unsafe mkdir(directory, 0o700) == 0)
      let path = "\(directory)/router.sock"
      try #require(RecordSocket.bind(open(), to: path) == 0 && listen(sockets[0], 1) == 0)
      var result: Int32 = 0
      for _ in 0..<10 where result == 0 { result = RecordSocket.connect(open(), to: path) }
      try #require(result == -EAGAIN)
    }

    deinit { for socket in sockets { close(socket) } }

    private func open() -> Int32 {
      sockets.append(RecordSocket.make(nonblocking: true))
      return sockets[sockets.count - 1]
    }
  }

  @Test("whoever connects waits as long as it said, and is told")
  func boundedConnect() throws {
    try Watchdog.bounding("a full queue of connections", seconds: 60) {
      let queue = try FullQueue()
      let bus: Bus = try Bus.connect(to: queue.directory)
      let error = #expect(throws: BusError.self) {
        let options = AgentOptions(connectTimeout: .milliseconds(100))
        let _: Agent = try bus.register("late", options: options)
      }
      #expect(error?.code == .timeout)
    }
  }

  @Test("a router without room for another agent says so, and what to do")
  func noRoom() throws {
    try Watchdog.bounding("a router without descriptors", seconds: 60) {
      let home = try TemporaryDirectory("noroom")
      let directory = home.file("run")
      let router = try Child.start(
        "/bin/sh",
        ["-c", "ulimit -n 64; exec \"$0\" --json --dir \"$1\""]
          + [try Programs.path("msg_router"), directory])
      defer { router.kill() }
      try router.waitForLine(containing: "\"event\":\"ready\"")
      // Two descriptors each, of which 32 are kept.
      let others = try (0..<16).map { _ in try RouterClient("\(directory)/router.sock") }
      let error = #expect(throws: BusError.self) {
        let options = AgentOptions(connectTimeout: .seconds(2))
        _ = try Bus.connect(to: directory).register("x", options: options)
      }
      #expect(error?.code == .resourceExhausted && error?.cause == .descriptors)
      #expect(error?.detail.contains("out of descriptors (limit 64)") == true, "\(error as Any)")
      for other in others { other.close() }
      _ = try Bus.connect(to: directory).register("x")
    }
  }

  @Test("no command hangs, and doctor says that the router does not answer")
  func commands() throws {
    try Watchdog.bounding("commands before a full queue", seconds: 120) {
      let queue = try FullQueue()
      let bcs = try Programs.path("bcs")
      let agent = try Child.run(bcs, ["agent", "--dir", queue.directory])
      #expect(agent.exit == .code(4), "\(agent.stderr)")
      let doctor = try Child.run(bcs, ["doctor", "--dir", queue.directory])
      #expect(doctor.exit == .code(1))
      #expect(doctor.stdout.contains("does not answer"), "\(doctor.stdout)")
    }
  }
}
