import BinaryComm
import BusWire
import Glibc

/// A connection to the bus as one command-line agent.
struct Session {
  let agent: Agent
  let directory: String

  /// Registers a name that was checked already, waiting `wait` seconds for a router.
  static func open(_ common: CommonOptions, name: String, wait: Double = 5) throws -> Session {
    let bus = try Bus.connect(to: common.dir)
    common.log(.debug, "connecting to \(bus.directory) as \(name)")
    var options = AgentOptions()
    options.connectTimeout = Duration(seconds: wait)
    let agent: Agent
    do {
      agent = try bus.register(name, category: "cli", options: options)
    } catch {
      throw Self.refusal(of: name, error)
    }
    common.log(.debug, "registered as \(agent.name), incarnation \(agent.incarnation)")
    return Session(agent: agent, directory: bus.directory)
  }

  /// A name by default that no policy has is the likely cause of a refusal, and the user has not
  /// seen it yet.
  private static func refusal(of name: String, _ error: BusError) -> any Error {
    let isDefault = name.hasPrefix("cli.") && name.hasSuffix(".\(getpid())")
    guard error.code == .denied, isDefault else { return error }
    let code = BusErrorCode.denied
    return Failure(
      "\(code.name): \(error.detail)",
      remedy: "This command asked for the name \(name), its default: give one that the policy has "
        + "with --name.",
      exitCode: code.exitCode, name: code.name)
  }

  /// Waits until a router knows this agent; false when none did in time.
  func waitForRouter(_ time: Duration) throws -> Bool {
    let limit = Deadline(time)
    while !agent.isConnected {
      if limit.isOver { return false }
      try Interrupt.check()
      System.sleep(.milliseconds(20))
    }
    return true
  }
}
