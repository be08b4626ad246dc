import BusSystem
import BusTestSupport
import BusWire
import Glibc
import ProcessSupport
import Testing

@Suite("Who comes back to the next router proves who it is", .serialized)
struct RouterKeyTests {
  /// How the former router ends, and what the next one says of it.
  struct Ending: Sendable {
    let signal: Int32
    let tookOver: Bool
  }

  static let endings = [
    Ending(signal: SIGKILL, tookOver: true), Ending(signal: SIGTERM, tookOver: false),
  ]

  /// Who comes back in time is not what is tested here.
  static let patient = ["--grace", "60"]

  /// Ends a router and starts the next one in its directory.
  private func replace(
    _ router: borrowing RouterProcess, _ ending: Ending, between: () -> Void = {}
  ) throws -> Child {
    router.child.signal(ending.signal)
    try router.child.wait()
    between()
    return try router.successor(Self.patient)
  }

  private func lock(of router: borrowing RouterProcess) -> String {
    router.socket.dropLast("router.sock".count) + "router.lock"
  }

  /// Asks to be taken back; nil: it was.
  private func refusal(
    _ router: borrowing RouterProcess, _ name: String, _ registered: RegisteredFrame,
    incarnation: Incarnation? = nil, ticket: ControlTicket? = nil
  ) throws -> BusErrorCode? {
    let client = try router.connect()
    try client.hello()
    let incarnation = incarnation ?? registered.incarnation
    let segment = try TestSegment.reader(TestSegment.uuid(name), incarnation)
    defer { segment.close() }
    let frame = ReattachFrame(
      name: name, category: "test", agent: TestSegment.uuid(name), incarnation: incarnation,
      ticket: ticket ?? registered.ticket)
    guard
      case .error(let error)? = try client.ask(.reattach(frame), [segment.descriptor])
        .last?.frame
    else {
      #expect(try client.ask(.restoreDone).last?.frame == .done)
      return nil
    }
    return BusErrorCode(rawValue: error.code)
  }

  @Test(
    "after kill -9 and after SIGTERM a ticket is demanded, and the honest agent's is known",
    arguments: endings)
  func ticketsAreDemanded(ending: Ending) throws {
    try Watchdog.bounding("a router after another", seconds: 60) {
      let router = try RouterProcess()
      let first = try router.connect()
      let registered = try first.register("veteran")
      let successor = try withExtendedLifetime(first) { try replace(router, ending) }
      defer { successor.kill() }
      #expect(successor.stdoutSoFar.contains("\"took_over\":\(ending.tookOver)"))
      for ticket in [0, 1, 0xFF] as [UInt8] {
        let forged = try #require(ControlTicket([UInt8](repeating: ticket, count: 32)))
        // The veteran's number under a name of one's own, its own name, and a number nobody has.
        #expect(try refusal(router, "thief", registered, ticket: forged) == .fenced)
        #expect(try refusal(router, "veteran", registered, ticket: forged) == .fenced)
        let other = Incarnation(registered.incarnation.value - 1)
        let answer = try refusal(router, "thief", registered, incarnation: other, ticket: forged)
        #expect(answer == .fenced)
      }
      // Its ticket says whose it is: under another name it is worth nothing.
      #expect(try refusal(router, "thief", registered) == .fenced)
      #expect(try refusal(router, "veteran", registered) == nil)
    }
  }

  @Test(
    "without the lock file nobody is taken back, and everybody may register", arguments: endings)
  func lockRemoved(ending: Ending) throws {
    let router = try RouterProcess()
    let first = try router.connect()
    let registered = try first.register("veteran")
    let path = lock(of: router)
    let successor = try withExtendedLifetime(first) {
      try replace(router, ending) { unsafe unlink(path) }
    }
    defer { successor.kill() }
    #expect(try refusal(router, "veteran", registered) == .fenced)
    _ = try router.connect().register("veteran")
  }

  @Test(
    "after SIGTERM the next router waits for agents where there were some, and for nobody else",
    arguments: [true, false])
  func waitsForSomebody(hasAgent: Bool) throws {
    let router = try RouterProcess()
    let agent = try router.connect()
    if hasAgent { _ = try agent.register("veteran") }
    let successor = try withExtendedLifetime(agent) {
      try replace(router, Self.endings[1]) {
        let note = try? text(of: lock(of: router))
        #expect(note?.contains("\nagents \(hasAgent ? 1 : 0)\n") == true, "\(note ?? "no note")")
      }
    }
    defer { successor.kill() }
    guard !hasAgent else { return }
    // The grace of the successor is long: a publisher that waits for its end fails before.
    let directory = String(router.socket.dropLast("/router.sock".count))
    let published = try Child.run(
      try Programs.path("bcs"), ["pub", "news", "hello", "--dir", directory])
    #expect(published.exit == .code(0), "\(published.stderr)")
  }

  @Test("a key of an earlier boot, half a note and one that says things twice are none")
  func strangeNotes() throws {
    let router = try RouterProcess()
    let first = try router.connect()
    let registered = try first.register("veteran")
    try withExtendedLifetime(first) {
      router.child.signal(SIGTERM)
      try router.child.wait()
    }
    let path = lock(of: router)
    let note = try text(of: path)
    let boot = try #require(note.split(separator: "\n").first { $0.hasPrefix("boot ") })
    for strange in [
      note.replacing(boot, with: "boot 00000000-0000-0000-0000-000000000000"),
      note.replacing(boot, with: ""), String(note.dropLast(20)), note + note,
    ] {
      try write(strange, to: path)
      let successor = try router.successor(Self.patient)
      #expect(try refusal(router, "veteran", registered) == .fenced, "\(strange)")
      successor.kill()
      try successor.wait()
    }
    // The note as it was, all the same, is believed.
    try write(note, to: path)
    let successor = try router.successor(Self.patient)
    defer { successor.kill() }
    #expect(try refusal(router, "veteran", registered) == nil)
  }

  @Test("a lock file that others can read, has a second name, is long or a link is refused")
  func strangeFiles() throws {
    let router = try RouterProcess()
    router.child.signal(SIGTERM)
    try router.child.wait()
    let path = lock(of: router)
    let aside = path + ".aside"
    func isRefused(_ what: String) throws {
      let directory = String(router.socket.dropLast("/router.sock".count))
      let result = try Child.run(try Programs.path("msg_router"), ["--dir", directory])
      #expect(result.exit == .code(1), "\(what)")
      #expect(result.stderr.contains(path), "\(what): \(result.stderr)")
    }
    let opened = unsafe chmod(path, 0o640)
    try #require(opened == 0)
    try isRefused("readable")
    _ = unsafe chmod(path, 0o600)
    let linked = unsafe link(path, aside)
    try #require(linked == 0)
    try isRefused("two names")
    unsafe unlink(path)
    let symbolic = unsafe symlink(aside, path)
    try #require(symbolic == 0)
    try isRefused("a symbolic link")
    unsafe unlink(path)
    let moved = unsafe rename(aside, path)
    try #require(moved == 0)
    let note = try text(of: path)
    try write(note + String(repeating: "\n", count: 1000), to: path)
    try isRefused("long")
    try write(note, to: path)
    let successor = try router.successor(Self.patient)
    successor.kill()
  }

  @Test("a router that gives up leaves the key that it found")
  func givesUp() throws {
    try Watchdog.bounding("a router that gives up", seconds: 60) {
      let router = try RouterProcess()
      let first = try router.connect()
      let registered = try first.register("veteran")
      router.child.signal(SIGTERM)
      try router.child.wait()
      let note = try text(of: lock(of: router))
      // Somebody else listens where the socket belongs.
      let squatter = try Squatter(router.socket)
      let directory = String(router.socket.dropLast("/router.sock".count))
      let result = try Child.run(try Programs.path("msg_router"), ["--dir", directory])
      #expect(result.exit == .code(1), "\(result.stderr)")
      #expect(try text(of: lock(of: router)) == note)
      squatter.leave()
      let successor = try router.successor(Self.patient)
      defer { successor.kill() }
      #expect(try refusal(router, "veteran", registered) == nil)
    }
  }

  // MARK: Files

  private func text(of path: String) throws -> String {
    let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw ClientFailure.system("open \(path)", errno) }
    defer { close(file) }
    var room = [UInt8](repeating: 0, count: 4096)
    let count = unsafe read(file, &room, room.count)
    return String(decoding: room.prefix(max(0, count)), as: UTF8.self)
  }

  private func write(_ text: String, to path: String) throws {
    let file = unsafe open(path, O_WRONLY | O_TRUNC | O_CLOEXEC)
    guard file >= 0 else { throw ClientFailure.system("open \(path)", errno) }
    defer { close(file) }
    let bytes = Array(text.utf8)
    guard unsafe Glibc.write(file, bytes, bytes.count) == bytes.count else {
      throw ClientFailure.system("write \(path)", errno)
    }
  }
}

/// Somebody who listens at a path and answers nothing.
private final class Squatter {
  private let socket: Int32
  private let path: String

  init(_ path: String) throws {
    self.path = path
    socket = RecordSocket.make()
    guard RecordSocket.bind(socket, to: path) == 0, listen(socket, 8) == 0 else {
      throw ClientFailure.system("listen", errno)
    }
  }

  func leave() {
    close(socket)
    unsafe unlink(path)
  }
}
