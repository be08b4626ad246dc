import BusTestSupport
import BusWire
import CBusABI
import Foundation
import Glibc
import ProcessSupport
import Testing

@Suite("A router looks after the names by which it is found", .serialized)
struct RouterFilesTests {
  private func directory(of router: borrowing RouterProcess) -> String {
    String(router.socket.dropLast("/router.sock".count))
  }

  /// Waits until something lies at a path that is not this file.
  private func awaitOther(_ path: String, than old: UInt64?) -> UInt64? {
    for _ in 0..<1000 {
      if let now = inode(atPath: path), now != old { return now }
      usleep(10_000)
    }
    return nil
  }

  private func inode(atPath path: String) -> UInt64? {
    var status = stat()
    return unsafe lstat(path, &status) == 0 ? UInt64(status.st_ino) : nil
  }

  @Test("without its lock file it is still found by the next one, which gives up")
  func lockRemoved() throws {
    try Watchdog.bounding("a removed lock file", seconds: 60) {
      let router = try RouterProcess()
      let agent = try router.connect()
      _ = try agent.register("veteran")
      let lock = directory(of: router) + "/router.lock"
      let socket = try #require(inode(atPath: router.socket))
      unsafe unlink(lock)
      let second = try Child.run(
        try Programs.path("msg_router"), ["--dir", directory(of: router)])
      #expect(second.exit == .code(1))
      #expect(second.stderr.contains("Process \(router.child.pid) "), "\(second.stderr)")
      #expect(awaitOther(lock, than: nil) != nil, "the lock file is not made again")
      #expect(inode(atPath: router.socket) == socket)
      _ = try router.connect().register("newcomer")
      #expect(try agent.ask(.query(QueryFrame(subject: .agents))).last?.frame == .queryEnd)
      let third = try Child.run(
        try Programs.path("msg_router"), ["--dir", directory(of: router)])
      #expect(third.exit == .code(1) && third.stderr.contains("Process \(router.child.pid) "))
    }
  }

  @Test("a removed socket is made again, and agents that are there stay")
  func socketRemoved() throws {
    try Watchdog.bounding("a removed socket", seconds: 60) {
      let router = try RouterProcess()
      let agent = try router.connect()
      _ = try agent.register("veteran")
      for _ in 0..<2 {
        unsafe unlink(router.socket)
        #expect(awaitOther(router.socket, than: nil) != nil, "the socket is not made again")
      }
      try router.connect().hello()
      #expect(try agent.ask(.query(QueryFrame(subject: .agents))).last?.frame == .queryEnd)
      router.child.signal(SIGTERM)
      #expect(try router.child.wait().exit == .code(0))
      #expect(inode(atPath: router.socket) == nil)
    }
  }

  @Test("what lies at its names and is not its own is left alone, also at the end")
  func othersFiles() throws {
    try Watchdog.bounding("others' files", seconds: 60) {
      let router = try RouterProcess()
      let lock = directory(of: router) + "/router.lock"
      unsafe unlink(router.socket)
      unsafe unlink(lock)
      for path in [router.socket, lock] {
        let made = unsafe mkdir(path, 0o700)
        #expect(made == 0)
      }
      usleep(2_500_000)
      router.child.signal(SIGTERM)
      #expect(try router.child.wait().exit == .code(0))
      #expect(inode(atPath: router.socket) != nil && inode(atPath: lock) != nil)
    }
  }

  @Test("a router whose place another one took does not come back when that one is killed")
  func displaced() throws {
    try Watchdog.bounding("a displaced router", seconds: 60) {
      let first = try RouterProcess()
      let place = directory(of: first)
      func start() throws -> Child {
        let child = try Child.start(try Programs.path("msg_router"), ["--dir", place, "--json"])
        try child.waitForLine(containing: "\"event\":\"ready\"")
        return child
      }
      #expect(first.child.stop())
      unsafe unlink(first.socket)
      unsafe unlink(place + "/router.lock")
      let second = try start()
      first.child.signal(SIGCONT)
      // It looks once a second.
      usleep(8_000_000)
      second.kill()
      _ = try second.wait()
      usleep(2_500_000)
      let third = try start()
      #expect(third.stdoutSoFar.contains("\"took_over\":true"), "\(third.stdoutSoFar)")
      third.kill()
    }
  }

  @Test("signals that ask for an end are a clean stop", arguments: [SIGHUP, SIGQUIT, SIGINT])
  func ends(signal: Int32) throws {
    let router = try RouterProcess()
    router.child.signal(signal)
    #expect(try router.child.wait().exit == .code(0))
    #expect(inode(atPath: router.socket) == nil)
  }

  @Test("signals that mean nothing to it are ignored", arguments: [SIGUSR1, SIGUSR2, SIGALRM])
  func ignored(signal: Int32) throws {
    let router = try RouterProcess()
    router.child.signal(signal)
    try router.connect().hello()
  }

  @Test("a limit on file sizes is told, and kills nobody")
  func fileSize() throws {
    let home = try TemporaryDirectory("sizes")
    let script = "ulimit -f 0; exec \"$0\" --dir \"$1\""
    let result = try Child.run(
      "/bin/sh", ["-c", script, try Programs.path("msg_router"), home.file("run")])
    #expect(result.exit == .code(1))
    #expect(result.stderr.contains("ulimit -f"), "\(result.stderr)")
  }

  @Test("a segment larger than the arena is no mistake of the agent's: the way out is named")
  func tooLarge() throws {
    let router = try RouterProcess(["--arena", "4M"])
    let client = try router.connect()
    try client.hello()
    let agent = TestSegment.uuid("agent")
    let large = try TestSegment.make(
      TestSegment.readerIdentity(agent, client.incarnation), bytes: 16 << 20)
    defer { large.close() }
    let frame = RegisterFrame(name: "agent", category: "", agent: agent)
    guard case .error(let error)? = try client.ask(.register(frame), [large.descriptor]).last?.frame
    else {
      Issue.record("not refused")
      return
    }
    #expect(BusErrorCode(number: error.code) == .resourceExhausted)
    #expect(error.text.contains("--arena") && error.text.contains("4194304"), "\(error.text)")
  }

  @Test("out of descriptors it refuses one log, names the cause, and keeps the agent")
  func descriptors() throws {
    try Watchdog.bounding("a router without descriptors", seconds: 60) {
      let home = try TemporaryDirectory("descriptors")
      let script = "ulimit -n 80; exec \"$0\" --dir \"$1\" --json"
      let router = try Child.start(
        "/bin/sh", ["-c", script, try Programs.path("msg_router"), home.file("run")])
      defer { router.kill() }
      try router.waitForLine(containing: "\"event\":\"ready\"")
      let agent = try RouterClient(home.file("run") + "/router.sock")
      _ = try agent.register("hungry")
      var streams: [StreamID] = []
      var text = ""
      for number in 0..<100 where text.isEmpty {
        switch try agent.publish("hungry", "c\(number)") {
        case .logAdded(let added)?: streams.append(added.stream)
        case .error(let error)?:
          #expect(BusErrorCode(number: error.code) == .resourceExhausted)
          text = error.text
        default: text = "no answer"
        }
      }
      #expect(text.contains("descriptors") && text.contains("80") && streams.count > 10, "\(text)")
      for stream in streams { try agent.say(.closeStream(CloseStreamFrame(stream: stream))) }
      #expect(try agent.publish("hungry", "again")?.kind == .logAdded)
    }
  }

  @Test(
    "a descriptor for which the kernel finds no number there costs its agent one log alone",
    .enabled(if: geteuid() == 0, "only root can change the limits of an undumpable process"))
  func cutDescriptors() throws {
    try Watchdog.bounding("a descriptor that is cut", seconds: 60) {
      let router = try RouterProcess()
      let agent = try router.connect()
      _ = try agent.register("unlucky")
      let pid = router.child.pid
      func limit(to count: Int) throws {
        let words = ["--pid", "\(pid)", "--nofile=\(count):"]
        try #require(try Child.run("prlimit", words).exit == .code(0))
      }
      try limit(to: 1)
      for number in 0..<3 {
        guard case .error(let error)? = try agent.publish("unlucky", "c\(number)") else {
          Issue.record("not refused")
          return
        }
        #expect(error.code == BusErrorCause.descriptors.rawValue, "\(error.text)")
      }
      try limit(to: 1024)
      #expect(try agent.publish("unlucky", "again")?.kind == .logAdded)
    }
  }
}
