import BusSystem
package import BusTestSupport
package import BusWire
import CBusPlatform
import Glibc

/// A router process of a test, in a run directory of its own.
package struct RouterProcess: ~Copyable {
  package let child: Child
  package let socket: String
  private let home: TemporaryDirectory

  /// Starts a router and waits until it says that it is ready.
  package init(_ options: [String] = []) throws {
    let home = try TemporaryDirectory("router")
    let directory = home.file("run")
    let child = try Child.start(
      try Programs.path("msg_router"), ["--dir", directory, "--json"] + options)
    try child.waitForLine(containing: "\"event\":\"ready\"")
    self.home = home
    self.child = child
    socket = "\(directory)/router.sock"
  }

  /// Starts another router on the same directory, in the place of one that has ended.
  package borrowing func successor(_ options: [String] = []) throws -> Child {
    let next = try Child.start(
      try Programs.path("msg_router"), ["--dir", home.file("run"), "--json"] + options)
    try next.waitForLine(containing: "\"event\":\"ready\"")
    return next
  }

  package borrowing func connect() throws -> RouterClient { try RouterClient(socket) }

  deinit { child.kill() }
}

/// What a test's client met instead of what it waited for.
package enum ClientFailure: Error {
  case system(String, Int32)
  case closed
  case silent
}

/// A client that speaks the control protocol over a real socket, well or badly.
package final class RouterClient {
  package struct Received {
    package let request: UInt32
    package let frame: RouterFrame
    /// The descriptor beside the frame; closed with the client.
    package let descriptor: Int32?
  }

  private let socket: Int32
  private var descriptors: [Int32] = []
  package private(set) var incarnation = Incarnation(0)
  /// What the router refused last, and why.
  package private(set) var refusal: ErrorFrame?
  private var lastRequest: UInt32 = 0

  package init(_ path: String) throws {
    // Closed on exec: a child that another test starts meanwhile must not hold the connection.
    socket = RecordSocket.make()
    let result = RecordSocket.connect(socket, to: path)
    guard result == 0 else {
      Glibc.close(socket)
      throw ClientFailure.system("connect", -result)
    }
  }

  deinit { close() }

  private var isOpen = true

  package func close() {
    guard isOpen else { return }
    isOpen = false
    Glibc.close(socket)
    for descriptor in descriptors { Glibc.close(descriptor) }
  }

  /// Sends bytes as one record; waits while the socket is full.
  package func send(_ bytes: [UInt8], _ descriptors: [Int32] = []) throws {
    while true {
      let result = unsafe plat_send(
        socket, bytes, bytes.count, descriptors, Int32(descriptors.count))
      if result == 0 { return }
      guard result == -EAGAIN else { throw ClientFailure.system("sendmsg", -result) }
      usleep(1000)
    }
  }

  /// Sends a frame without waiting for anything.
  package func say(_ frame: AgentFrame, _ descriptors: [Int32] = []) throws {
    try send(frame.encode(), descriptors)
  }

  /// Sends a request and returns everything up to its answer, the answer last.
  package func ask(_ frame: AgentFrame, _ descriptors: [Int32] = []) throws -> [Received] {
    lastRequest += 1
    try send(frame.encode(request: lastRequest), descriptors)
    var received: [Received] = []
    while true {
      let next = try receive()
      received.append(next)
      if next.request == lastRequest, next.frame.kind != .row { return received }
    }
  }

  /// The code with which a request is refused; nil when it is not.
  package func refusal(_ frame: AgentFrame, _ descriptors: [Int32] = []) throws -> BusErrorCode? {
    guard case .error(let error)? = try ask(frame, descriptors).last?.frame else { return nil }
    return BusErrorCode(number: error.code)
  }

  /// The next frame; throws `closed` at the end and `silent` after ten seconds.
  package func receive() throws -> Received {
    for _ in 0..<10_000 {
      if let received = try receiveNow() { return received }
      usleep(1000)
    }
    throw ClientFailure.silent
  }

  /// The frame that is there already, nil when none is; throws `closed` at the end.
  package func receiveNow() throws -> Received? {
    var room = [UInt8](repeating: 0, count: ControlFormat.frameBytesMax)
    var descriptors: [Int32] = [-1, -1]
    var count: Int32 = 0
    let length = unsafe plat_receive(socket, &room, room.count, &descriptors, 2, &count)
    if length == -Int(EAGAIN) { return nil }
    guard length > 0 else { throw ClientFailure.closed }
    let (request, frame) = try RouterFrame.decode(room[..<length])
    self.descriptors += descriptors.prefix(Int(count))
    if case .error(let error) = frame { refusal = error }
    return Received(request: request, frame: frame, descriptor: count > 0 ? descriptors[0] : nil)
  }

  /// Whether the router ends this connection; frames that still come are passed over.
  package func isClosedByRouter() -> Bool {
    while true {
      do { _ = try receive() } catch ClientFailure.silent { return false } catch { return true }
    }
  }

  /// Says hello and returns the descriptor of the clock page.
  @discardableResult
  package func hello() throws -> Int32 {
    let answer = try ask(.hello(HelloFrame(program: "test"))).last
    guard case .welcome(let welcome)? = answer?.frame, let page = answer?.descriptor else {
      throw ClientFailure.closed
    }
    incarnation = welcome.incarnation
    return page
  }

  /// Registers under a name and returns the router's answer.
  package func register(_ name: String) throws -> RegisteredFrame {
    try hello()
    let reader = try TestSegment.reader(TestSegment.uuid(name), incarnation)
    defer { reader.close() }
    let frame = RegisterFrame(name: name, category: "test", agent: TestSegment.uuid(name))
    guard case .registered(let done)? = try ask(.register(frame), [reader.descriptor]).last?.frame
    else { throw ClientFailure.closed }
    return done
  }

  /// Hands in a new log and returns the router's last answer.
  package func publish(_ name: String, _ channel: String) throws -> RouterFrame? {
    let log = try TestSegment.log(TestSegment.uuid(name), incarnation, channel: channel)
    defer { log.close() }
    return try ask(log.addLog(channel), [log.descriptor]).last?.frame
  }
}
