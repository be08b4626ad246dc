import BinaryComm
import BusSystem
import BusTestSupport
import BusWire
import CBusABI
import Foundation
import Glibc
import Synchronization

/// A router that is none: a raw listening socket in a directory of its own, and memory that it says
/// is the clock.
final class FakeRouter: Sendable {
  let directory: String
  private let listener: Int32
  private let clock: RawMemory

  init(_ stand: Stand) throws {
    directory = try stand.privateDirectory()
    listener = RecordSocket.make()
    clock = try RawMemory(bytes: Int(BUS_CLOCK_BYTES))
    clock.put(UInt64(BUS_CLOCK_MAGIC), at: 0, width: 4)
    clock.put(UInt64(BUS_LAYOUT_VERSION), at: 4, width: 2)
    try clock.seal()
    let bound = RecordSocket.bind(listener, to: "\(directory)/router.sock")
    guard bound == 0, listen(listener, 16) == 0 else { throw SetUpFailure("bind: \(errno)") }
  }

  deinit {
    close(listener)
    try? FileManager.default.removeItem(atPath: directory)
  }

  /// The next connection; nil when none comes in this time.
  func accept(milliseconds: Int32) -> HostilePeer? {
    var watched = [pollfd(fd: listener, events: Int16(POLLIN), revents: 0)]
    guard unsafe poll(&watched, 1, milliseconds) == 1 else { return nil }
    let accepted = Glibc.accept(listener, nil, nil)
    guard accepted >= 0 else { return nil }
    _ = fcntl(accepted, F_SETFD, FD_CLOEXEC)
    return HostilePeer(accepted: accepted)
  }

  /// What a sound router answers to hello, or something else in its place.
  func welcome(
    request: UInt32, first: UInt64 = 65536, most: UInt64 = 64 << 20, arena: UInt64 = 1 << 30,
    stall: UInt64 = 5000
  ) -> RawFrame {
    var frame = RawFrame(kind: 101, request: request)
    frame.number(7, 8)
    frame.number(FakeRouter.incarnation, 8)
    frame.number(arena, 8)
    frame.number(UInt64(getpid()), 4)
    frame.number(first, 8)
    frame.number(most, 8)
    frame.number(stall, 4)
    return frame
  }

  static let incarnation: UInt64 = 99

  static func registered(
    request: UInt32, name: String, incarnation: UInt64 = FakeRouter.incarnation,
    channels: UInt64 = 0
  ) -> RawFrame {
    var frame = RawFrame(kind: 102, request: request)
    for byte in BusUUID(agentName: name).bytes { frame.number(UInt64(byte), 1) }
    frame.number(incarnation, 8)
    for _ in 0..<32 { frame.number(3, 1) }
    frame.number(channels, 2)
    return frame
  }

  var page: Int32 { clock.descriptor }
}

extension FakeRouter {
  /// A step of the false router: the next frame of the agent is answered with this.
  struct Step: Sendable {
    /// The bytes of the answer; none: no answer; nil: the end of the connection.
    let bytes: @Sendable (FakeRouter, UInt32) -> [UInt8]?
    let descriptors: @Sendable (FakeRouter) -> [Int32]

    init(
      _ bytes: @escaping @Sendable (FakeRouter, UInt32) -> [UInt8]?,
      _ descriptors: @escaping @Sendable (FakeRouter) -> [Int32] = { _ in [] }
    ) {
      self.bytes = bytes
      self.descriptors = descriptors
    }

    static let hello = Step({ fake, request in fake.welcome(request: request).bytes }) { [$0.page] }
    static let register = Step { _, request in
      FakeRouter.registered(request: request, name: "kit.victim").bytes
    }
  }

  /// Lets an agent join and answers it step by step, as often as it comes; returns what became of
  /// it, `registered` or the error that it reports, and the last connection.
  func join(
    _ steps: [Step], timeout: Duration
  ) throws -> (text: String, agent: Agent?, peer: HostilePeer?) {
    let served = Served()
    let shared = self
    let ended = Latch()
    Thread.detachNewThread {
      while !served.isOver {
        if let next = shared.accept(milliseconds: 2) {
          served.note(next)
          try? shared.serve(next, steps)
        }
      }
      ended.raise()
    }
    var text = "registered"
    var agent: Agent?
    do throws(BusError) {
      let join: (AgentOptions) throws(BusError) -> Agent = { options throws(BusError) in
        try Bus.connect(to: self.directory).register("kit.victim", options: options)
      }
      agent = try join(AgentOptions(connectTimeout: timeout))
    } catch {
      text = error.code.name
    }
    served.end()
    ended.wait()
    return (text, agent, served.last)
  }

  private func serve(_ peer: HostilePeer, _ steps: [Step]) throws {
    for step in steps {
      guard case .frame(let asked) = try peer.next(waiting: 1000) else { return }
      guard let answer = step.bytes(self, asked.request) else { return peer.leave() }
      if !answer.isEmpty { try peer.send(answer, step.descriptors(self)) }
    }
  }
}

/// The connections that a false router took.
private final class Served: Sendable {
  private let state = Mutex<(isOver: Bool, peers: [HostilePeer])>((false, []))
  var isOver: Bool { state.withLock { $0.isOver } }
  var last: HostilePeer? { state.withLock { $0.peers.last } }
  func note(_ peer: HostilePeer) { state.withLock { $0.peers.append(peer) } }
  func end() { state.withLock { $0.isOver = true } }
}
