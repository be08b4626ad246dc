import BusTestSupport
import Foundation
import Glibc
import ProcessSupport
import Synchronization
import Testing

/// Processes whose wall clock a test sets; the monotonic one goes on (libfaketime).
private final class SteppedClock: Sendable {
  private let file: String
  private let names = Mutex<[String]>([])
  /// What a process needs in its environment.
  let environment: [String: String]

  init(_ file: String) throws {
    self.file = file
    let library = try #require(
      ["x86_64", "aarch64"].map { "/usr/lib/\($0)-linux-gnu/faketime/libfaketimeMT.so.1" }
        .first { FileManager.default.isReadableFile(atPath: $0) },
      "libfaketime is missing: run 'make setup'")
    environment = [
      "LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": file, "FAKETIME_NO_CACHE": "1",
      "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    ]
    Self.removeStale()
    try set(by: 0)
  }

  /// Removes what the library's processes have left behind that ended without its leave, those of
  /// former runs, too: a process that gets such a number again would not start.
  private static func removeStale() {
    let folder = "/dev/shm"
    for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
      guard name.hasPrefix("faketime_shm_") || name.hasPrefix("sem.faketime_sem_"),
        let pid = name.split(separator: "_").last.flatMap({ Int32($0) }),
        kill(pid, 0) != 0, errno == ESRCH
      else { continue }
      unsafe unlink("\(folder)/\(name)")
    }
  }

  /// Sets the wall clock of all of them at once.
  func set(by seconds: Int) throws {
    try (seconds < 0 ? "\(seconds)" : "+\(seconds)")
      .write(toFile: file, atomically: true, encoding: .utf8)
  }

  /// So long that every agent has looked at the clocks, which it does once a second.
  func settle() { for _ in 0..<300 { breathe() } }

  /// Starts a process with this clock.
  ///
  /// It has shared memory of a name of its own: without a name the library changes the environment
  /// before a Swift program finds its arguments by it, and two that make one name disturb each
  /// other.
  func start(_ program: String, _ words: [String]) throws -> Child {
    let name = "bcs-clock-\(UInt64.random(in: .min ... .max))"
    names.withLock { $0.append(name) }
    var environment = environment
    environment["FAKETIME_SHARED"] = "/\(name)-sem /\(name)-shm"
    return try Child.start(program, words, environment: environment)
  }

  /// Those that are killed leave it behind.
  deinit {
    for name in names.withLock({ $0 }) {
      unsafe unlink("/dev/shm/sem.\(name)-sem")
      unsafe unlink("/dev/shm/\(name)-shm")
    }
    Self.removeStale()
  }
}

/// What happens to requests while somebody sets the host's clock.
@Suite("Requests and a wall clock that is set", .serialized)
final class SteppedClockTests {
  private let dir: TemporaryDirectory
  private let clock: SteppedClock
  private let bcs: String
  private let router: Child

  init() throws {
    dir = try TemporaryDirectory("clock")
    clock = try SteppedClock(dir.file("clock"))
    bcs = try Programs.path("bcs")
    router = try clock.start(bcs, ["up", "--dir", dir.file("bus"), "--log-level", "error"])
    try router.waitForLine(containing: "ready", timeout: .seconds(20))
  }

  private func start(_ words: String...) throws -> Child {
    try clock.start(bcs, words + ["--dir", dir.file("bus")])
  }

  /// A responder that notes each request it begins and answers when the file `go` is there.
  private func responder() throws -> Child {
    let script =
      "touch \(dir.file("began")); while [ ! -e \(dir.file("go")) ]; do sleep 0.02; done; cat"
    let child = try clock.start(
      bcs, ["reply", "slow", "--dir", dir.file("bus"), "--exec", "sh", "-c", script])
    while child.isRunning, !child.stderrSoFar.contains("answering") { breathe() }
    return child
  }

  private func exists(_ name: String) -> Bool {
    FileManager.default.fileExists(atPath: dir.file(name))
  }

  /// A request that its responder has begun to work on.
  private func begin(timeout: Int) throws -> (service: Child, asking: Child) {
    let service = try responder()
    let asking = try start("req", "slow", "hello", "--timeout", "\(timeout)")
    while service.isRunning, asking.isRunning, !exists("began") { breathe() }
    return (service, asking)
  }

  @Test("the clock of such processes is set indeed")
  func control() throws {
    func seconds() throws -> Int {
      let child = try clock.start("/bin/date", ["+%s"])
      let text = try child.wait(timeout: .seconds(10)).stdout
      return try #require(Int(text.trimmingCharacters(in: .whitespacesAndNewlines)))
    }
    let before = try seconds()
    try clock.set(by: 3600)
    #expect(abs(try seconds() - before - 3600) < 60)
  }

  @Test("a request that is worked on is answered", arguments: [3600, -3600])
  func working(step: Int) throws {
    try Watchdog.bounding("a request over a step", seconds: 120) {
      let (service, asking) = try begin(timeout: 60)
      defer { withExtendedLifetime(service) {} }
      try clock.set(by: step)
      clock.settle()
      try "".write(toFile: dir.file("go"), atomically: true, encoding: .utf8)
      let result = try asking.wait(timeout: .seconds(60))
      #expect(result.succeeded && result.stdout.contains("hello"), "\(result)")
    }
  }

  @Test("a request that waits at a stopped responder is begun", arguments: [3600, -3600])
  func waiting(step: Int) throws {
    try Watchdog.bounding("a request at a stopped responder", seconds: 120) {
      try "".write(toFile: dir.file("go"), atomically: true, encoding: .utf8)
      let service = try responder()
      // The first request makes the log to it, so that the next ones lie in it at once.
      #expect(try start("req", "slow", "x", "--timeout", "60").wait().succeeded)
      service.signal(SIGSTOP)
      let asking = try start("req", "slow", "hello", "--timeout", "60")
      clock.settle()
      try clock.set(by: step)
      clock.settle()
      service.signal(SIGCONT)
      let result = try asking.wait(timeout: .seconds(60))
      #expect(result.succeeded && result.stdout.contains("hello"), "\(result)")
    }
  }

  @Test("a request that nobody answers ends at its time", arguments: [3600, -3600])
  func silent(step: Int) throws {
    try Watchdog.bounding("a request without an answer", seconds: 120) {
      let (service, asking) = try begin(timeout: 4)
      defer { withExtendedLifetime(service) {} }
      try clock.set(by: step)
      #expect(try asking.wait(timeout: .seconds(60)).exit == .code(4))
    }
  }
}
