import BusTestSupport
import Foundation
import Glibc
import ProcessSupport
import Testing

/// The process that ends what commands of `bcs reply` have started, when it stands still or dies.
@Suite("bcs reply and its guardian", .serialized)
struct GuardianTests {
  private static func responder(_ bus: CLIBus, _ script: String) throws -> Child {
    let child = try Child.start(
      try Programs.path("bcs"),
      ["reply", "s", "--dir", bus.directory, "--time-limit", "1000", "--exec", "sh", "-c", script])
    while child.isRunning, !child.stderrSoFar.contains("answering") { breathe() }
    return child
  }

  @Test("when the guardian dies requests go on, it is said once, and another one does its work")
  func dies() throws {
    try Watchdog.bounding("a guardian's death", seconds: 120) {
      let dir = try TemporaryDirectory("guardian")
      let bus = try CLIBus(dir.path)
      let mark = dir.file("pids")
      let service = try Self.responder(
        bus,
        """
        read word
        test $word = stay || exec printf done
        sh -c 'trap "" TERM HUP; while :; do sleep 1; done' & echo $$ $! > \(mark).new
        mv \(mark).new \(mark); wait
        """)
      defer { service.kill() }
      let first = try #require(Processes.guardian(of: service))
      #expect(kill(first, SIGKILL) == 0)
      let asked = try bus.run("req", "s", "--stdin-lines", input: .bytes(Array("a\nb\n".utf8)))
      #expect(asked.succeeded && asked.stdout == "done\ndone\n", "\(asked)")
      while service.isRunning, !service.stderrSoFar.contains("guardian") { breathe() }
      let second = try #require(Processes.guardian(of: service))
      #expect(second != first)
      let asking = try bus.start("req", "s", "stay", "--timeout", "1000")
      let pids = Processes.noted(mark, while: service)
      #expect(pids.count == 2)
      let said = service.stderrSoFar.components(separatedBy: "the guardian has ended; another one")
      #expect(said.count == 2, "\(service.stderrSoFar)")
      service.kill()
      while pids.contains(where: Processes.lives) { breathe() }
      try asking.wait(timeout: .seconds(60))
    }
  }

  @Test("a guardian that stands still holds up no request, and not the end of bcs reply")
  func standsStill() throws {
    try Watchdog.bounding("a stopped guardian", seconds: 180) {
      let dir = try TemporaryDirectory("guardian")
      let bus = try CLIBus(dir.path)
      let service = try Self.responder(bus, "cat")
      defer { service.kill() }
      let guardian = try #require(Processes.guardian(of: service))
      #expect(kill(guardian, SIGSTOP) == 0)
      // Whatever a guardian were told through its pipe, a page holds little of it.
      let pipe = unsafe open("/proc/\(guardian)/fd/3", O_RDONLY | O_NONBLOCK | O_CLOEXEC)
      let setSize: Int32 = 1031
      #expect(pipe >= 0 && fcntl(pipe, setSize, 4096) >= 4096)
      close(pipe)
      let lines = (1...700).map { "\($0)\n" }.joined()
      let asking = try bus.start(
        "req", "s", "--stdin-lines", "--timeout", "100", input: .bytes(Array(lines.utf8)))
      let asked = try asking.wait(timeout: .seconds(150))
      #expect(asked.succeeded && asked.stdout == lines, "\(asked.exit) \(asked.stderr)")
      service.signal(SIGTERM)
      #expect(try service.wait(timeout: .seconds(20)).exit == .code(143))
      while Processes.lives(guardian) { breathe() }
    }
  }
}
