import BinaryComm

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
    let agent = try bus.register(name, category: "cli", options: options)
    common.log(.debug, "registered as \(agent.name), incarnation \(agent.incarnation)")
    return Session(agent: agent, directory: bus.directory)
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
