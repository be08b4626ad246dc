import BinaryComm
import BusTestSupport
import Foundation
import Glibc
import Synchronization

/// A router in a directory of its own, and agents of this process that meet it there.
struct ClientBus: ~Copyable {
  let directory: String
  private let home: TemporaryDirectory
  private var router: Child

  /// Starts a router with these options; returns when it is ready.
  init(_ options: [String] = []) throws {
    let home = try TemporaryDirectory("client")
    let directory = home.file("run")
    let router = try Self.start(directory, options)
    self.home = home
    self.directory = directory
    self.router = router
  }

  deinit { router.kill() }

  private static func start(_ directory: String, _ options: [String]) throws -> Child {
    let child = try Child.start(
      try Programs.path("msg_router"),
      ["--dir", directory, "--json", "--log-level", "error"] + options)
    try child.waitForLine(containing: "\"event\":\"ready\"")
    return child
  }

  /// The router's process.
  var routerPid: Int32 { router.pid }

  /// A new agent.
  func agent(_ name: String) throws -> Agent {
    try Bus.connect(to: directory).register(name, category: "test")
  }

  /// Ends the router with a signal and waits for its end.
  func endRouter(_ signal: Int32) throws {
    router.signal(signal)
    try router.wait()
  }

  /// Removes all that the former router left: to the next one every ticket is a stranger's.
  func forgetRouter() throws {
    for name in try FileManager.default.contentsOfDirectory(atPath: directory) {
      try FileManager.default.removeItem(atPath: directory + "/" + name)
    }
  }

  /// Starts the next router in the same directory.
  mutating func startRouter(_ options: [String] = []) throws {
    router = try Self.start(directory, options)
  }
}

/// The smallest log, which does not grow: it is full after few messages.
let smallLog = PublisherOptions(firstLogBytes: 16 << 10, growth: false)

/// Says to a thread of a test that it may go on.
final class Flag: Sendable {
  private let raised = Atomic(false)

  func raise() { raised.store(true, ordering: .releasing) }

  func wait() {
    while !raised.load(ordering: .acquiring) { usleep(1000) }
  }

  /// The same for a task, which must not block the threads that all tasks share.
  func isRaised() async {
    while !raised.load(ordering: .acquiring) { await rest(milliseconds: 1) }
  }
}

/// A thread of a test, whose outcome is waited for.
final class Worker: Sendable {
  private let outcome = Mutex<Result<Int, any Error>?>(nil)

  init(_ body: @escaping @Sendable () throws -> Int) {
    Thread.detachNewThread { [self] in
      let result = Result { try body() }
      outcome.withLock { $0 = result }
    }
  }

  /// What the thread returned or threw.
  func join() throws -> Int {
    while true {
      if let result = outcome.withLock({ $0 }) { return try result.get() }
      usleep(1000)
    }
  }
}

/// The error that the body throws, nil when it throws none.
func failure(_ body: () throws(BusError) -> Void) -> BusError? {
  do throws(BusError) {
    try body()
    return nil
  } catch {
    return error
  }
}

/// A payload that carries a number.
func numbered(_ number: Int, bytes: Int = 8) -> [UInt8] {
  var payload = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: bytes)
  for byte in 0..<8 { payload[byte] = UInt8(truncatingIfNeeded: number >> (8 * byte)) }
  return payload
}

/// The number that a payload carries, -1 when it is too short for one.
func number(_ payload: RawSpan) -> Int {
  guard payload.byteCount >= 8 else { return -1 }
  return unsafe payload.unsafeLoadUnaligned(as: Int.self)
}

/// The number that a copied payload carries.
func number(_ payload: [UInt8]) -> Int { number(payload.raw) }

extension Reader {
  /// Polls until this many streams are read; what is published from then on comes or is a gap.
  mutating func meet(_ count: Int = 1) throws {
    while statistics.streams < count {
      if try poll({ _ in }) == 0 { breathe() }
    }
  }

  /// Polls until `count` messages were there; returns their numbers.
  mutating func take(_ count: Int) throws -> [Int] {
    var numbers: [Int] = []
    while numbers.count < count {
      let taken = try poll { numbers.append(number($0.payload)) }
      if taken == 0 { _ = try wait(timeout: .milliseconds(100)) }
    }
    return numbers
  }

  /// Polls until nothing is left; returns copies.
  mutating func drain() throws -> [ReceivedMessage] {
    var messages: [ReceivedMessage] = []
    while try poll({ messages.append($0.copy()) }) > 0 {}
    return messages
  }
}

extension [UInt8] {
  /// The bytes as a publisher takes them.
  var raw: RawSpan {
    @_lifetime(borrow self)
    get { unsafe span.bytes }
  }
}
