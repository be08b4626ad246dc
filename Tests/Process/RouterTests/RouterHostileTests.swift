import BusTestSupport
import BusWire
import CBusABI
import CBusPlatform
import Foundation
import Glibc
import ProcessSupport
import Testing

@Suite("A router with well-behaved and hostile agents", .serialized)
struct RouterHostileTests {
  @Test("a log goes from its publisher to its reader as the same memory file")
  func handOut() throws {
    let router = try RouterProcess()
    let reader = try router.connect()
    _ = try reader.register("reader")
    let subscribe = SubscribeFrame(
      subscription: 1, pattern: "alerts.>", mode: .lossless, sleeps: false, epoch: 0)
    #expect(try reader.ask(.subscribe(subscribe)).last?.frame.kind == .subscribed)
    let feed = try router.connect()
    _ = try feed.register("feed")
    let log = try TestSegment.log(
      TestSegment.uuid("feed"), feed.incarnation, channel: "alerts")
    defer { log.close() }
    let added = try feed.ask(log.addLog("alerts"), [log.descriptor]).last?.frame
    let received = try reader.receive()
    guard case .announce(let announce) = received.frame, case .logAdded(let answer)? = added else {
      Issue.record("no announce")
      return
    }
    #expect(answer.expected == [announce.attachment])
    #expect(inode(try #require(received.descriptor)) == inode(log.descriptor))
    try reader.say(.attach(AttachFrame(attachment: announce.attachment, slot: 2)))
    #expect(try feed.receive().frame.kind == .join)
    feed.close()
    #expect(try reader.receive().frame.kind == .joinedReader)
    guard case .streamEnded(let ended) = try reader.receive().frame else {
      Issue.record("the stream did not end")
      return
    }
    #expect(ended.finalPosition == 0 && ended.reason == .died)
  }

  @Test("another protocol or layout version is answered with INCOMPATIBLE_VERSION and the end")
  func versions() throws {
    let router = try RouterProcess()
    let protocolClient = try router.connect()
    var bytes = AgentFrame.hello(HelloFrame(program: "t")).encode(request: 7)
    bytes[4] = 200
    try protocolClient.send(bytes)
    let answer = try protocolClient.receive()
    guard case .error(let error) = answer.frame else {
      Issue.record("no error")
      return
    }
    #expect(answer.request == 7)
    #expect(BusErrorCode(rawValue: error.code) == .incompatibleVersion)
    #expect(protocolClient.isClosedByRouter())
    let layoutClient = try router.connect()
    let old = AgentFrame.hello(HelloFrame(layoutVersion: 99, program: "t"))
    #expect(try layoutClient.refusal(old) == .incompatibleVersion)
    #expect(layoutClient.isClosedByRouter())
  }

  @Test("only sealed, allocated memory files with a sound identity become segments")
  func foreignDescriptors() throws {
    let router = try RouterProcess()
    let client = try router.connect()
    try client.hello()
    let agent = TestSegment.uuid("agent")
    let identity = TestSegment.readerIdentity(agent, client.incarnation)
    let size = UInt64(BUS_READER_SEGMENT_BYTES)
    let home = try TemporaryDirectory("segments")
    var pipeEnds: [Int32] = [-1, -1]
    _ = unsafe pipe(&pipeEnds)
    var broken = identity
    broken[40] ^= 1
    let log = try TestSegment.log(agent, client.incarnation, channel: "a")
    let wrong: [(String, Int32)] = [
      ("unsealed", try TestSegment.make(identity, bytes: size, sealed: false).descriptor),
      ("too large", try TestSegment.make(identity, bytes: size * 2).descriptor),
      ("sparse", try TestSegment.make(identity, bytes: size, allocated: false).descriptor),
      ("another's", try TestSegment.reader(agent, Incarnation(1)).descriptor),
      ("broken", try TestSegment.make(broken, bytes: size).descriptor),
      ("empty", try TestSegment.make([0], bytes: size).descriptor),
      ("a log", log.descriptor), ("a pipe", pipeEnds[0]),
      ("a file", unsafe open(home.file("file"), O_RDWR | O_CREAT, 0o600)),
      ("a directory", unsafe open(home.path, O_RDONLY)),
      ("a path", unsafe open(home.path, 0o10000000)),
      ("a shared memory file", try Self.sharedMemoryFile()),
    ]
    let frame = RegisterFrame(name: "agent", category: "", agent: agent)
    for (name, descriptor) in wrong {
      try #require(descriptor >= 0, "\(name) could not be opened, so nothing would be tried")
      #expect(try client.refusal(.register(frame), [descriptor]) == .invalid, "\(name)")
      close(descriptor)
    }
    close(pipeEnds[1])
    let right = try TestSegment.reader(agent, client.incarnation)
    #expect(try client.ask(.register(frame), [right.descriptor]).last?.frame.kind == .registered)
    right.close()
  }

  /// A file of a memory file system that has a name, as `shm_open` makes it.
  private static func sharedMemoryFile() throws -> Int32 {
    let name = "/bcs-test-\(getpid())"
    let descriptor = unsafe shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0o600)
    _ = unsafe shm_unlink(name)
    return descriptor
  }

  @Test("a log that its readers would refuse is refused by the router, too")
  func unreadableLogs() throws {
    let router = try RouterProcess()
    let feed = try router.connect()
    _ = try feed.register("feed")
    let agent = TestSegment.uuid("feed")
    func log(_ capacity: UInt64, _ changes: [(Int, [UInt8])] = []) throws -> TestSegment {
      let bytes = capacity + 8192
      var identity = TestSegment.logIdentity(
        agent, feed.incarnation, channel: "alerts", capacity: capacity, bytes: bytes)
      for (offset, values) in changes {
        for (place, value) in values.enumerated() { identity[offset + place] = value }
      }
      return try TestSegment.make(identity, bytes: bytes, capacity: capacity)
    }
    let wrong: [(String, TestSegment)] = [
      ("a ring of 4 KiB", try log(4096)), ("a ring of 8 KiB", try log(8192)),
      ("topics off the grid", try log(16384, [(72, [0x01, 0x10])])),
      ("topics of no page", try log(16384, [(72, [0, 0])])),
      ("a ring elsewhere", try log(16384, [(76, [0x40, 0x20])])),
      ("hot lines off their places", try log(16384, [(68, [0x40, 0x02])])),
      ("no channel", try log(16384, [(80, [0, 0])])),
      ("a channel that is too long", try log(16384, [(80, [128, 0])])),
      ("a base off the grid", try log(16384, [(48, [1])])),
      ("an unknown kind", try log(16384, [(6, [77])])),
    ]
    for (name, segment) in wrong {
      let code = try feed.refusal(segment.addLog("alerts"), [segment.descriptor])
      #expect(code == .invalid, "\(name): \(String(describing: code))")
      segment.close()
    }
    let right = try log(16384)
    #expect(
      try feed.ask(right.addLog("alerts"), [right.descriptor]).last?.frame.kind == .logAdded)
    right.close()
  }

  @Test("a memory file in huge pages is refused, and the refusal says so")
  func hugePages() throws {
    let router = try RouterProcess()
    let client = try router.connect()
    try client.hello()
    let file = try TestSegment.hugeFile(bytes: 2 << 20)
    defer { close(file) }
    let frame = RegisterFrame(name: "agent", category: "", agent: TestSegment.uuid("agent"))
    guard case .error(let error)? = try client.ask(.register(frame), [file]).last?.frame else {
      Issue.record("not refused")
      return
    }
    #expect(BusErrorCode(rawValue: error.code) == .invalid)
    #expect(error.text.contains("without huge pages"), "\(error.text)")
  }

  @Test(
    "200 hostile frames with up to eight descriptors leave the router as it was",
    .enabled(if: geteuid() == 0, "only root can count the descriptors of an undumpable process"))
  func hostileFrames() throws {
    let router = try RouterProcess()
    let before = descriptorCount(router.child.pid)
    var random = Seed.announced(for: "hostile frames").generator()
    let samples = samples()
    let null = unsafe open("/dev/null", O_RDONLY | O_CLOEXEC)
    defer { close(null) }
    for round in 0..<200 {
      let client = try router.connect()
      if round % 2 == 0 { try client.hello() }
      var bytes = samples[round % samples.count]
      if round % 3 == 0 {
        bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next())
      }
      if round % 7 == 0 { bytes = Array(bytes.prefix(Int(random.next() % 20) + 1)) }
      if round % 31 == 0 { bytes += [UInt8](repeating: 0, count: 20_000) }
      let count = Int(random.next() % 9)
      try? client.send(bytes, [Int32](repeating: null, count: count))
      client.close()
    }
    let last = try router.connect()
    try last.hello()
    last.close()
    #expect(settled(router.child.pid, at: before))
    #expect(router.child.isRunning)
  }

  @Test("an agent that does not read gets a snapshot that names everything")
  func overflow() throws {
    let router = try RouterProcess()
    let reader = try router.connect()
    _ = try reader.register("reader")
    let subscribe = SubscribeFrame(
      subscription: 1, pattern: ">", mode: .lossy, sleeps: false, epoch: 0)
    _ = try reader.ask(.subscribe(subscribe))
    let feed = try router.connect()
    _ = try feed.register("feed")
    let streams = 900
    for number in 0..<streams {
      #expect(try feed.publish("feed", "channel\(number)")?.kind == .logAdded)
    }
    var named: Set<AttachmentID> = []
    var inSnapshot = false
    reading: while true {
      switch try reader.receive().frame {
      case .snapshotBegin:
        inSnapshot = true
        named = []
      case .announce(let announce): if inSnapshot { named.insert(announce.attachment) }
      case .snapshotEnd: break reading
      default: break
      }
    }
    #expect(named.count == streams)
  }

  /// Connects, says hello, and leaves a child behind that keeps the socket open.
  private static let forkingClient = """
    import os, socket, sys, time
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(sys.argv[1])
    s.send(bytes.fromhex(sys.argv[2]))
    s.recv(65536)
    if os.fork() == 0:
        time.sleep(60)
        os._exit(0)
    print('ready', flush=True)
    time.sleep(60)
    """

  @Test(
    "kill -9 ends an agent though a child of it keeps the socket open",
    .enabled(
      if: FileManager.default.isExecutableFile(atPath: "/usr/bin/python3"), "needs python3"),
    arguments: ["noexec", "peerpidfd"])
  func killed(forbidden: String) throws {
    let router = try RouterProcess(["--forbid", forbidden])
    let hello = AgentFrame.hello(HelloFrame(program: "forks")).encode(request: 1)
    let digits = hello.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    let agent = try Child.start(
      "/usr/bin/python3", ["-c", Self.forkingClient, router.socket, digits])
    try agent.waitForLine(containing: "ready")
    let watcher = try router.connect()
    try watcher.hello()
    #expect(try connections(watcher) == "2")
    agent.kill()
    var left = ""
    for _ in 0..<500 where left != "1" {
      usleep(10_000)
      left = try connections(watcher)
    }
    #expect(left == "1")
  }

  private func connections(_ client: RouterClient) throws -> String {
    for case .row(let row) in try client.ask(.query(QueryFrame(subject: .router))).map(\.frame) {
      return row.fields.first { $0.key == "connections" }?.value ?? ""
    }
    return ""
  }

  @Test("out of descriptors the router refuses with a reason, and recovers")
  func descriptorsRunOut() throws {
    let home = try TemporaryDirectory("limit")
    let directory = home.file("run")
    let program = try Programs.path("msg_router")
    let child = try Child.start(
      "/bin/sh", ["-c", "ulimit -n 64; exec \"$0\" --dir \"$1\" --json", program, directory])
    defer { child.kill() }
    try child.waitForLine(containing: "\"descriptors\":64")
    var clients: [RouterClient] = []
    var refused = 0
    for _ in 0..<40 {
      let client = try RouterClient("\(directory)/router.sock")
      clients.append(client)
      do { try client.hello() } catch { refused += 1 }
    }
    #expect(refused > 0 && refused < 40)
    for client in clients { client.close() }
    var recovered = false
    for _ in 0..<100 where !recovered {
      usleep(10_000)
      recovered = (try? RouterClient("\(directory)/router.sock").hello()) != nil
    }
    #expect(recovered)
    child.signal(SIGTERM)
    let lines = try child.wait().stderr.split(separator: "\n")
    #expect(lines.count { $0.contains("out of descriptors") } >= 1)
    #expect(lines.count < 10)
  }

  private func samples() -> [[UInt8]] {
    let id = AttachmentID(3)
    let frames: [AgentFrame] = [
      .hello(HelloFrame(program: "x")), .goodbye, .restoreDone,
      .register(RegisterFrame(name: "x", category: "", agent: TestSegment.uuid("x"))),
      .addLog(
        AddLogFrame(
          stream: StreamID(0), channel: "a", generation: 0, capacity: 1, segmentBytes: 1)),
      .attach(AttachFrame(attachment: id, slot: 1)), .detach(DetachFrame(attachment: id)),
      .query(QueryFrame(subject: .agents)),
      .subscribe(
        SubscribeFrame(subscription: 1, pattern: ">", mode: .lossy, sleeps: true, epoch: 0)),
    ]
    return frames.map { $0.encode(request: 3) }
  }

  private func inode(_ descriptor: Int32) -> UInt64 {
    var status = stat()
    return unsafe fstat(descriptor, &status) == 0 ? UInt64(status.st_ino) : 0
  }

  private func descriptorCount(_ pid: Int32) -> Int {
    (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd").count) ?? -1
  }

  private func settled(_ pid: Int32, at count: Int) -> Bool {
    for _ in 0..<500 {
      if descriptorCount(pid) == count { return true }
      usleep(10_000)
    }
    return false
  }
}
