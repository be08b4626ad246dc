import BinaryComm
import BusTestSupport
import BusWire
import Foundation
import Glibc
import ProcessSupport
import Testing

/// An agent gives its memory to nobody but a router that it may trust.
@Suite("Whose router it is", .serialized)
struct RouterTrustTests {
  static let stranger: UInt32 = 65534

  /// Listens as another user and says what it receives: in a directory of that user, or in one of
  /// this user, when it takes on the other only after it has made its socket.
  private static let script = """
    import os, socket, sys
    directory, user, owner = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    def change(): os.setgid(user); os.setuid(user)
    if owner == "other": change()
    os.mkdir(directory, 0o755)
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.bind(directory + "/router.sock"); os.chmod(directory + "/router.sock", 0o666)
    if owner == "own": change()
    s.listen(8)
    print("ready", flush=True)
    while True:
        c, _ = s.accept()
        c.settimeout(2)
        try: got = c.recv(65536)
        except socket.timeout: got = b""
        print("received", len(got), flush=True)
    """

  /// Starts such a listener in a directory that is not there yet, and waits until it is ready.
  private static func listener(in directory: String, of owner: String) throws -> Child {
    let child = try Child.start(
      "/usr/bin/env", ["python3", "-c", Self.script, directory, "\(Self.stranger)", owner])
    try child.waitForLine(containing: "ready")
    return child
  }

  @Test(
    "what another user runs at the path gets no byte, before and after a start",
    .enabled(if: geteuid() == 0, "needs root, to run a process of another user"))
  func stranger() throws {
    try Watchdog.bounding("stranger", seconds: 60) {
      let home = try TemporaryDirectory("trust")
      _ = unsafe chmod(home.path, 0o777)
      let directory = home.file("run")
      let child = try Self.listener(in: directory, of: "other")
      defer { child.kill() }
      let refused = #expect(throws: BusError.self) {
        _ = try Bus.connect(to: directory).register("agent")
      }
      #expect(refused?.code == .denied)
      #expect(refused?.detail.contains("user \(Self.stranger)") == true)
      #expect(refused?.detail.contains("BCS_ROUTER_USER=\(Self.stranger)") == true)
      // Told to trust that user, the agent does talk; the listener is no router all the same.
      #expect(throws: BusError.self) {
        _ = try Bus.connect(to: directory, routerUser: Self.stranger)
          .register("agent", options: AgentOptions(connectTimeout: .milliseconds(300)))
      }
      try child.waitForLine(containing: "received")
      let lines = child.stdoutSoFar.split(separator: "\n").filter { $0.hasPrefix("received") }
      let none = lines.filter { $0.hasSuffix(" 0") }
      #expect(none.isEmpty && lines.count == 1, "the refused agent connected and sent: \(lines)")
    }
  }

  @Test(
    "bcs is told by --router-user, by number or name, whom else to trust",
    .enabled(if: geteuid() == 0, "needs root, to run a process of another user"))
  func option() throws {
    let home = try TemporaryDirectory("trust")
    _ = unsafe chmod(home.path, 0o777)
    let directory = home.file("run")
    let child = try Self.listener(in: directory, of: "other")
    defer { child.kill() }
    let refused = try runCLI("agent", "--dir", directory)
    #expect(refused.exit == .code(5) && refused.stderr.contains("--router-user \(Self.stranger)"))
    #expect(!refused.stderr.contains("policy"), "no policy was asked")
    let doctor = try runCLI("doctor", "--dir", directory)
    #expect(doctor.stdout.contains("--router-user \(Self.stranger)"))
    // Connections are taken one after the other: what came before the mark has been counted. Who
    // only asks whether somebody answers sends no byte.
    func talksSoFar() throws -> Int {
      let mark = [UInt8](repeating: 0, count: 3)
      let lines = { child.stdoutSoFar.split(separator: "\n").filter { $0.hasPrefix("received") } }
      let marked = lines().count { $0 == "received 3" }
      let peer = try RouterClient(directory + "/router.sock")
      defer { peer.close() }
      try peer.send(mark)
      for _ in 0..<4000 where child.isRunning {
        if lines().count(where: { $0 == "received 3" }) > marked { break }
        breathe()
      }
      return lines().count { $0 != "received 0" && $0 != "received 3" }
    }
    // The listener is no router: it is talked to, and gives no answer that makes sense.
    for user in ["\(Self.stranger)", "nobody"] {
      let before = try talksSoFar()
      let trusted = try runCLI("agent", "--dir", directory, "--router-user", user)
      #expect(trusted.exit != .code(5) && trusted.exit != .code(0), "\(trusted)")
      let after = try talksSoFar()
      #expect(after > before, "told to trust that user, it connects, more than once if need be")
      let other = try runCLI("agent", "--dir", directory, "--router-user", "1")
      #expect(other.exit == .code(5))
      #expect(try talksSoFar() == after, "it talks to nobody else")
    }
    for command in ["agent", "metrics", "pub"] {
      let wrong = try runCLI(command, "x", "--dir", directory, "--router-user", "no such user")
      #expect(wrong.exit == .code(64), "\(wrong)")
    }
    let wrong = try runCLI("agent", "--router-user", "no such user")
    #expect(wrong.exit == .code(64) && wrong.stderr.contains("no user of this host"))
  }

  @Test(
    "a process of another user that listens in a directory of this user gets no byte",
    .enabled(if: geteuid() == 0, "needs root, to run a process of another user"))
  func intruder() throws {
    try Watchdog.bounding("intruder", seconds: 60) {
      let home = try TemporaryDirectory("trust")
      let directory = home.file("run")
      let child = try Self.listener(in: directory, of: "own")
      defer { child.kill() }
      let refused = #expect(throws: BusError.self) {
        _ = try Bus.connect(to: directory)
          .register("agent", options: AgentOptions(connectTimeout: .milliseconds(300)))
      }
      #expect(refused?.code == .denied)
      #expect(refused?.detail.contains("is run by user \(Self.stranger)") == true)
      // It came as far as the connection, and sent nothing before it looked.
      try child.waitForLine(containing: "received 0")
    }
  }

  @Test(
    "the effective user is the one whose router is trusted, not the one who started the program",
    .enabled(if: geteuid() == 0, "needs root, to become another user"))
  func effectiveUser() async {
    await #expect(processExitsWith: .success) {
      try Watchdog.bounding("effective user", seconds: 60) {
        let home = try TemporaryDirectory("trust")
        _ = unsafe chmod(home.path, 0o777)
        let directory = home.file("run")
        let child = try RouterTrustTests.listener(in: directory, of: "other")
        defer { child.kill() }
        #expect(seteuid(RouterTrustTests.stranger) == 0)
        let refused = #expect(throws: BusError.self) {
          _ = try Bus.connect(to: directory)
            .register("agent", options: AgentOptions(connectTimeout: .milliseconds(300)))
        }
        #expect(seteuid(0) == 0)
        #expect(refused?.code != .denied, "\(refused?.detail ?? "")")
        // The listener is no router, but it was spoken to.
        try child.waitForLine(containing: "received")
      }
    }
  }

  @Test("a directory that other users may write to is refused before anything is sent")
  func writable() throws {
    let home = try TemporaryDirectory("trust")
    let directory = home.file("run")
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
    for mode: mode_t in [0o777, 0o1777, 0o720, 0o702] {
      _ = unsafe chmod(directory, mode)
      let refused = #expect(throws: BusError.self) {
        _ = try Bus.connect(to: directory).register("agent")
      }
      #expect(refused?.code == .denied && refused?.detail.contains("chmod go-w") == true)
    }
    _ = unsafe chmod(directory, 0o700)
    let none = #expect(throws: BusError.self) {
      _ = try Bus.connect(to: directory)
        .register("agent", options: AgentOptions(connectTimeout: .milliseconds(50)))
    }
    #expect(none?.code == .noRouter)
  }
}
