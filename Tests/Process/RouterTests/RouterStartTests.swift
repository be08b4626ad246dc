import BusTestSupport
import BusWire
import CBusABI
import CBusPlatform
import Foundation
import Glibc
import ProcessSupport
import Testing

@Suite("A router starts, ends and is taken over", .serialized)
struct RouterStartTests {
  @Test("socket and lock are this user's alone; SIGTERM leaves the lock file, for the next router")
  func cleanEnd() throws {
    let router = try RouterProcess()
    let lock = router.socket.replacingSuffix("router.sock", with: "router.lock")
    #expect(mode(of: router.socket) == 0o600)
    #expect(mode(of: lock) == 0o600)
    #expect(mode(of: String(router.socket.dropLast("/router.sock".count))) == 0o700)
    router.child.signal(SIGTERM)
    #expect(try router.child.wait().exit == .code(0))
    #expect(mode(of: router.socket) == nil)
    #expect(mode(of: lock) == 0o600)
  }

  @Test("a second router is refused and names the process of the first")
  func second() throws {
    let router = try RouterProcess()
    let directory = String(router.socket.dropLast("/router.sock".count))
    let second = try Child.run(try Programs.path("msg_router"), ["--dir", directory])
    #expect(second.exit == .code(1))
    #expect(second.stderr.contains("Process \(router.child.pid) "))
    try router.connect().hello()
  }

  @Test("a directory that others can read, and a symbolic link, are refused with a way out")
  func wrongDirectory() throws {
    let home = try TemporaryDirectory("modes")
    let open = home.file("open")
    _ = unsafe mkdir(open, 0o700)
    _ = unsafe chmod(open, 0o755)
    let refused = try Child.run(try Programs.path("msg_router"), ["--dir", open])
    #expect(refused.exit == .code(1))
    #expect(refused.stderr.contains("chmod 700"))
    _ = unsafe chmod(open, 0o700)
    let link = home.file("link")
    _ = unsafe symlink(open, link)
    let linked = try Child.run(try Programs.path("msg_router"), ["--dir", link])
    #expect(linked.exit == .code(1))
    #expect(linked.stderr.contains("symbolic link"))
  }

  @Test(
    "wrong options end with 64",
    arguments: [
      ["--arena", "3"], ["--log-first", "5000"], ["--stall", "-1"], ["--forbid", "gravity"],
      ["--log-first", "8M", "--log-most", "4M"], ["--dir", ""],
    ])
  func usage(options: [String]) throws {
    let result = try Child.run(try Programs.path("msg_router"), options)
    #expect(result.exit == .code(64))
    #expect(!result.stderr.isEmpty)
  }

  @Test(
    "each missing feature is one line, and the router works without it",
    arguments: [
      ("noexec", "NOEXEC_SEAL"), ("peerpidfd", "SO_PEERPIDFD"), ("membarrier", "membarrier"),
      ("tsc", "counter"),
    ])
  func degraded(feature: String, word: String) throws {
    let router = try RouterProcess(["--forbid", feature])
    _ = try router.connect().register("agent")
    router.child.signal(SIGTERM)
    let result = try router.child.wait()
    let lines = result.stderr.split(separator: "\n").filter { $0.contains(word) }
    #expect(lines.count == 1)
  }

  @Test("a policy for other users opens the door to them, and nothing else")
  func openToOtherUsers() throws {
    let home = try TemporaryDirectory("policy")
    let policy = home.file("policy.yaml")
    let text = "agents:\n  - name: guest\n    users: [65534]\n    read: [alerts]\n"
    #expect(FileManager.default.createFile(atPath: policy, contents: Data(text.utf8)))
    _ = unsafe chmod(policy, 0o600)
    let router = try RouterProcess(["--policy", policy])
    let directory = String(router.socket.dropLast("/router.sock".count))
    #expect(mode(of: directory) == 0o711)
    #expect(mode(of: router.socket) == 0o666)
    #expect(mode(of: "\(directory)/router.lock") == 0o600)
    let client = try router.connect()
    try client.hello()
    let segment = try TestSegment.reader(TestSegment.uuid("guest"), client.incarnation)
    defer { segment.close() }
    let frame = RegisterFrame(name: "guest", category: "", agent: TestSegment.uuid("guest"))
    #expect(try client.refusal(.register(frame), [segment.descriptor]) == .denied)
  }

  @Test("without memory files the router says so and ends with 1")
  func noMemory() throws {
    let home = try TemporaryDirectory("memfd")
    let result = try Child.run(
      try Programs.path("msg_router"), ["--dir", home.file("run"), "--forbid", "memfd"])
    #expect(result.exit == .code(1))
    #expect(result.stderr.contains("memfd"))
  }

  @Test("the clock page is sealed, carries the layout and follows the kernel's clock")
  func clockPage() throws {
    let router = try RouterProcess()
    let client = try router.connect()
    let page = try client.hello()
    #expect(plat_seals(page) & PLAT_SEALS_REQUIRED == PLAT_SEALS_REQUIRED)
    var clock = bus_clock_page_t()
    let size = MemoryLayout<bus_clock_page_t>.size
    let read = unsafe withUnsafeMutableBytes(of: &clock) { room in
      unsafe pread(page, room.baseAddress, size, 0)
    }
    #expect(read == size)
    #expect(clock.magic == BUS_CLOCK_MAGIC && Int32(clock.layout_version) == BUS_LAYOUT_VERSION)
    guard clock.usable == 1 else { return }
    #expect(clock.version % 2 == 0 && clock.version > 0)
    let passed = (plat_ticks() &- clock.tsc_base).multipliedFullWidth(by: clock.mult)
    let pageNs = clock.unix_base + (passed.high << 32 | passed.low >> 32)
    var now = timespec()
    unsafe clock_gettime(CLOCK_REALTIME, &now)
    let kernelNs = UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
    let apartNs = pageNs > kernelNs ? pageNs - kernelNs : kernelNs - pageNs
    #expect(apartNs < 100_000_000)
  }

  private func mode(of path: String) -> mode_t? {
    var status = stat()
    return unsafe lstat(path, &status) == 0 ? status.st_mode & 0o777 : nil
  }
}

extension String {
  fileprivate func replacingSuffix(_ suffix: String, with other: String) -> String {
    hasSuffix(suffix) ? dropLast(suffix.count) + other : self
  }
}
