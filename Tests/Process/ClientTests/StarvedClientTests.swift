import BinaryComm
import BusTestSupport
import CBusPlatform
import Foundation
import Glibc
import ProcessSupport
import Testing

@Suite("A client for whose frames the kernel has no room for a while")
struct StarvedClientTests {
  @Test(
    "a log that cannot be handed over while descriptors are on their way is handed over later",
    .enabled(if: geteuid() == 0, "only root can become another user"))
  func later() async {
    await #expect(processExitsWith: .success) {
      let place = try Place()
      // Descriptors on their way are counted by user, and root's are not bounded.
      try place.becomeOther()
      let router = try Child.start(
        place.program, ["--dir", place.run, "--json"],
        environment: ["PATH": "/usr/bin:/bin", "XDG_CONFIG_HOME": place.run])
      defer { router.kill() }
      try router.waitForLine(containing: "\"event\":\"ready\"")
      let agent = try Bus.connect(to: place.run).register("writer", category: "test")
      let flood = try Flood()
      let pause = Thread {
        usleep(300_000); flood.ebb()
      }
      pause.start()
      var publisher = try agent.publisher(on: "ticks")
      try publisher.publish("ticks", numbered(1))
      agent.close()
    }
  }
}

/// A copy of the router's program that another user may start, and a directory of that user's.
private struct Place: ~Copyable {
  private static let user: uid_t = 64_998
  /// Fewer than a flood, enough for a router.
  private static let descriptors: rlim_t = 200
  let program: String
  let run: String
  private let home: TemporaryDirectory

  init() throws {
    let home = try TemporaryDirectory("starved")
    let source = URL(fileURLWithPath: try Programs.path("msg_router")).resolvingSymlinksInPath()
    let (program, run) = (home.file("msg_router"), home.file("run"))
    try FileManager.default.copyItem(at: source, to: URL(fileURLWithPath: program))
    let done = unsafe [
      chmod(home.path, 0o755), chmod(program, 0o755), mkdir(run, 0o700),
      chown(run, Self.user, Self.user), chown(home.path, Self.user, Self.user),
    ]
    guard done.allSatisfy({ $0 == 0 }) else { throw ClientFailure.system("chmod", errno) }
    self.home = home
    self.program = program
    self.run = run
  }

  /// From here on this process is another user's, with few descriptors.
  borrowing func becomeOther() throws {
    var limit = rlimit(rlim_cur: Self.descriptors, rlim_max: Self.descriptors)
    guard unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0,
      setgid(Self.user) == 0, setuid(Self.user) == 0
    else { throw ClientFailure.system("setuid", errno) }
  }
}

/// Descriptors in a socket that nobody reads, as many as the kernel takes of this user.
private final class Flood: Sendable {
  private let sockets: [Int32]

  init() throws {
    var ends: [Int32] = [-1, -1]
    guard unsafe socketpair(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue), 0, &ends) == 0 else {
      throw ClientFailure.system("socketpair", errno)
    }
    sockets = ends
    let many = [Int32](repeating: ends[0], count: 8)
    var result: Int32 = 0
    for _ in 0..<200 where result == 0 { result = unsafe plat_send(ends[0], [1], 1, many, 8) }
    guard result == -ETOOMANYREFS else { throw ClientFailure.system("the flood", -result) }
  }

  /// Takes them all off their way.
  func ebb() { for end in sockets { close(end) } }
}
