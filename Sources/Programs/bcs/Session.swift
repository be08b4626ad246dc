import BinaryComm
import BusSystem
import BusWire
import Glibc

/// A connection to the bus as one command-line agent.
struct Session {
  let agent: Agent
  let directory: String

  /// Registers to look at what is there: without a router there is nothing to wait for.
  ///
  /// - Throws: `Failure`, at once, when nobody answers in the runtime directory.
  static func look(_ common: CommonOptions, name: String, wait: Double = 5) throws -> Session {
    try checkPlace(common)
    let socket = RunDirectory.socketPath(in: RunDirectory.resolve(common.dir))
    if let reason = RouterProbe.refusal(of: socket) {
      throw BusError.noRouter("no router at \(socket) (\(reason))")
    }
    return try open(common, name: name, wait: wait)
  }

  /// Registers a name that was checked already, waiting `wait` seconds for a router.
  static func open(_ common: CommonOptions, name: String, wait: Double = 5) throws -> Session {
    try checkPlace(common)
    let bus = try Bus.connect(to: common.dir, routerUser: common.trust.number)
    sayIfItWaits(common, wait)
    common.log(.debug, "connecting to \(bus.directory) as \(name)")
    var options = AgentOptions()
    options.connectTimeout = Duration(seconds: wait)
    let agent: Agent
    do {
      agent = try bus.register(name, category: "cli", options: options)
    } catch {
      throw Self.refusal(of: name, in: bus.directory, common, error)
    }
    common.log(.debug, "registered as \(agent.name), incarnation \(agent.incarnation)")
    return Session(agent: agent, directory: bus.directory)
  }

  /// Throws where no router can ever be met, before one is waited for.
  private static func checkPlace(_ common: CommonOptions) throws {
    let variable = "BCS_ROUTER_USER"
    if common.trust.number == nil, let user = ProcessEnvironment.variable(variable),
      Bus.user(named: user) == nil
    {
      throw Failure.usage(
        "\(variable) is '\(user.printable)', which is no user of this host.",
        remedy: "Set it to a name or a number, or to nothing.")
    }
    let directory = RunDirectory.resolve(common.dir)
    guard directory.hasPrefix("/") || !directory.contains("://") else {
      throw Failure.usage(
        "'\(directory.printable)' is no run directory.", remedy: "Give a path or shm://PATH.")
    }
    let socket = RunDirectory.socketPath(in: directory)
    guard socket.utf8.count <= RecordSocket.pathBytesMax else {
      throw Failure.usage(
        "The path of the router's socket, \(socket.prefix(40).printable)…, has "
          + "\(socket.utf8.count) bytes; a socket's may have \(RecordSocket.pathBytesMax).",
        remedy: "Name a run directory with a shorter path with --dir or BCS_DIR.")
    }
    if let obstacle = RunDirectoryState.obstacle(directory) {
      let code = BusErrorCode.noRouter
      throw Failure(
        "No router can be met in \(directory): \(obstacle).",
        remedy: "Name its directory with --dir or BCS_DIR.", exitCode: code.exitCode,
        name: code.name, isOfTheBus: true)
    }
  }

  /// A name by default that no policy has is the likely cause of a refusal, and the user has not
  /// seen it yet.
  private static func refusal(
    of name: String, in directory: String, _ common: CommonOptions, _ error: BusError
  ) -> any Error {
    let isDefault = name.hasPrefix("cli.") && name.hasSuffix(".\(getpid())")
    guard error.code == .denied, isDefault else { return error }
    let code = BusErrorCode.denied
    // Where the directory is not trusted no policy was asked, and the error says what to do.
    if case .wrong = RunDirectoryState(directory, trusting: common.trust.user).directory {
      return Failure(
        error.detail, remedy: "", exitCode: code.exitCode, name: code.name, isOfTheBus: true)
    }
    return Failure(
      error.detail,
      remedy: "This command asked for the name \(name), its default: give one that the policy has "
        + "with --name.",
      exitCode: code.exitCode, name: code.name, isOfTheBus: true)
  }

  /// Whoever waits for a router that is not there is told so.
  private static func sayIfItWaits(_ common: CommonOptions, _ wait: Double) {
    let socket = RunDirectory.socketPath(in: RunDirectory.resolve(common.dir))
    guard wait > 0.3, RouterProbe.refusal(of: socket) != nil else { return }
    System.sleep(.milliseconds(300))
    guard RouterProbe.refusal(of: socket) != nil else { return }
    common.log(.notice, "waiting up to \(Int(wait.rounded(.up))) s for a router at \(socket)")
  }

  /// Asks a router in a wait with a time limit of its own; nil where none answers while there is
  /// time left: it may be slow, or its successor on the way.
  static func ask<Answer>(until limit: Deadline, _ body: () throws -> Answer) throws -> Answer? {
    do {
      return try body()
    } catch let error as BusError {
      guard [.noRouter, .timeout].contains(error.code), !limit.isOver else { throw error }
      return nil
    }
  }

  /// Waits until a router knows this agent; false when none did in time.
  ///
  /// Throws why, when no router takes it back.
  func waitForRouter(_ time: Duration) throws -> Bool {
    let limit = Deadline(after: time)
    while !agent.isConnected {
      if let end = agent.end { throw end }
      if limit.isOver { return false }
      try Interrupt.check()
      System.sleep(.milliseconds(20))
    }
    return true
  }
}
