import BusTestSupport

/// A router in a directory of its own, and the program bcs run against it.
final class CLIBus: Sendable {
  let directory: String
  private let router: Child

  /// The router's process: bcs becomes it.
  var routerPID: Int32 { router.pid }

  /// Starts a router; returns when it is ready.
  init(_ directory: String, _ options: [String] = []) throws {
    self.directory = directory
    router = try Child.start(
      try Programs.path("bcs"), ["up", "--dir", directory, "--log-level", "error"] + options)
    try router.waitForLine(containing: "ready", timeout: .seconds(20))
  }

  /// Kills the router as `kill -9` does.
  func killRouter() throws {
    router.kill()
    try router.wait(timeout: .seconds(10))
  }

  /// Ends the router in order and says how it ended.
  @discardableResult
  func end() throws -> ChildExit {
    router.signal(15)
    return try router.wait(timeout: .seconds(10)).exit
  }

  /// Runs a command to its end.
  func run(_ words: String..., input: ChildInput = .none) throws -> ChildResult {
    try Child.run(
      try Programs.path("bcs"), words + ["--dir", directory], input: input, timeout: .seconds(30))
  }

  /// Starts a command.
  func start(_ words: String..., input: ChildInput = .none) throws -> Child {
    try Child.start(try Programs.path("bcs"), words + ["--dir", directory], input: input)
  }

  /// Starts `bcs sub` and returns when its subscription is known.
  func subscriber(_ words: String...) throws -> Child {
    let child = try Child.start(
      try Programs.path("bcs"), ["sub"] + words + ["--dir", directory])
    while child.isRunning, !child.stderrSoFar.contains("subscribed to") { breathe() }
    return child
  }
}

/// Runs bcs without a router.
func runCLI(
  _ words: String..., environment: [String: String] = [:], input: ChildInput = .none
) throws -> ChildResult {
  try Child.run(
    try Programs.path("bcs"), words, environment: environment, input: input,
    timeout: .seconds(30))
}
