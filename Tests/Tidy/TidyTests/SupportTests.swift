import BusTestSupport
import Foundation
import Synchronization
import Testing

/// The helpers that all other tests trust.
@Suite("The test helpers do what other tests rely on")
struct SupportTests {
  @Test("The same seed gives the same numbers, another one others")
  func seeds() {
    var first = Seed(7).generator()
    var again = Seed(7).generator()
    var other = Seed(8).generator()
    let numbers = (0..<100).map { _ in first.next() }
    #expect(numbers == (0..<100).map { _ in again.next() })
    #expect(numbers != (0..<100).map { _ in other.next() })
    #expect(Set(numbers).count == 100)
    // The published first output for seed 0.
    var zero = SplitMix64(seed: 0)
    #expect(zero.next() == 0xE220_A839_7B1D_CDAF)
  }

  @Test("A child's output, status and arguments come back")
  func output() throws {
    let script = "cat; printf '%s' \"$1$WHO\"; echo problem >&2; exit 3"
    let result = try Child.run(
      "sh", ["-c", script, "sh", "a b"], environment: ["WHO": "!"], input: .bytes(Array("in ".utf8))
    )
    #expect(result.exit == .code(3))
    #expect(result.stdout == "in a b!")
    #expect(result.stderr == "problem\n")
    #expect(!result.succeeded)
  }

  @Test("More output than a pipe holds blocks nobody")
  func muchOutput() throws {
    let result = try Child.run("sh", ["-c", "head -c 1000000 /dev/zero | tr '\\0' x"])
    #expect(result.stdout.utf8.count == 1_000_000)
    let ignored = try Child.run(
      "true", input: .bytes([UInt8](repeating: 1, count: 1_000_000)))
    #expect(ignored.succeeded)
  }

  @Test("A child that hangs is killed and reported with what it printed")
  func timeout() throws {
    let child = try Child.start("sh", ["-c", "echo begun; exec sleep 1000"])
    try child.waitForLine(containing: "begun")
    #expect(
      throws: ChildError.timedOut(
        "sh -c echo begun; exec sleep 1000", stdout: "begun\n", stderr: "")
    ) {
      try child.wait(timeout: .milliseconds(50))
    }
    #expect(try child.wait().exit == .signal(SIGKILL))
    #expect(!child.signal(SIGTERM))
  }

  @Test("Lines are found as they come, each once")
  func lines() throws {
    let child = try Child.start(
      "sh", ["-c", "echo one; echo two; read x; echo got $x; printf end"],
      input: .pipe)
    #expect(try child.waitForLine(containing: "two") == "two")
    #expect(child.send("42\n"))
    #expect(try child.waitForLine(containing: "got") == "got 42")
    #expect(try child.waitForLine(containing: "end") == "end")
    #expect(throws: ChildError.self) { try child.waitForLine(containing: "one") }
    child.closeInput()
    #expect(try child.wait().succeeded)
  }

  @Test("A child that was stopped stands still, and one that has ended is told apart")
  func stop() throws {
    let child = try Child.start("sh", ["-c", "while :; do :; done"])
    for _ in 0..<20 {
      #expect(child.stop())
      let line = try String(contentsOfFile: "/proc/\(child.pid)/stat", encoding: .utf8)
      #expect(line.contains(") T "), "\(line)")
      #expect(child.signal(SIGCONT))
    }
    child.kill()
    #expect(try child.wait().exit == .signal(SIGKILL))
    #expect(!child.stop())
  }

  @Test("A signal reaches the child, which starts with default signals and no descriptors of ours")
  func signals() throws {
    let child = try Child.start("sh", ["-c", "ls /proc/self/fd | wc -l; exec sleep 1000"])
    // 0, 1, 2 and the one ls reads the folder with.
    #expect(try child.waitForLine(containing: "").filter { $0 != " " } == "4")
    #expect(child.isRunning)
    #expect(child.signal(SIGTERM))
    #expect(try child.wait().exit == .signal(SIGTERM))
  }

  @Test("A child runs in the folder asked for, and the folder removes itself")
  func directory() throws {
    let path: String
    do {
      let place = try TemporaryDirectory("support")
      path = place.path
      let result = try Child.run("sh", ["-c", "pwd; mkdir a; touch a/b"], directory: place.path)
      #expect(result.stdout == "\(place.path)\n")
      #expect(FileManager.default.fileExists(atPath: place.file("a/b")))
    }
    #expect(!FileManager.default.fileExists(atPath: path))
  }

  @Test("A program that is not there is a clear error")
  func missing() {
    #expect(throws: ChildError.system("start of '/no/such/program'", ENOENT)) {
      try Child.start("/no/such/program")
    }
    #expect(throws: ChildError.self) { try Programs.path("no such program") }
  }

  @Test("The watchdog ends a process that hangs, and leaves a quick one alone")
  func watchdog() async {
    #expect(Watchdog.bounding("quick", seconds: 600) { 5 } == 5)
    await #expect(processExitsWith: .exitCode(99)) {
      Watchdog.bounding("hangs", seconds: 1) { while true { sleep(1) } }
    }
  }

  @Test("An asynchronous test comes back though other tests block every thread of Swift's pool")
  func ownThreads() async {
    await #expect(processExitsWith: .success) {
      let flag = Flag()
      await withTaskGroup { group in
        for _ in 0..<16 * ProcessInfo.processInfo.activeProcessorCount {
          group.addTask { flag.wait() }
        }
        await Watchdog.bounding("behind blocked threads", seconds: 60) {
          await rest(milliseconds: 20)
          async let other: Void = rest(milliseconds: 20)
          await Task(executorPreference: OwnThreads.shared) { await rest(milliseconds: 20) }.value
          await other
          flag.raise()
        }
      }
    }
  }
}

/// What threads wait for without suspending.
private final class Flag: Sendable {
  private let raised = Atomic(false)
  func raise() { raised.store(true, ordering: .releasing) }
  func wait() { while !raised.load(ordering: .acquiring) { usleep(1000) } }
}
