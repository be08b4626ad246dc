package import BusTestSupport
import Foundation

/// A router in a directory of its own, and the program bcs run against it.
package final class CLIBus: Sendable {
  package let directory: String
  private let router: Child

  /// The router's process: bcs becomes it.
  package var routerPID: Int32 { router.pid }

  /// Starts a router; returns when it is ready.
  package init(_ directory: String, _ options: [String] = []) throws {
    self.directory = directory
    router = try Child.start(
      try Programs.path("bcs"), ["up", "--dir", directory, "--log-level", "error"] + options)
    try router.waitForLine(containing: "ready", timeout: .seconds(20))
  }

  /// Kills the router as `kill -9` does.
  package func killRouter() throws {
    router.kill()
    try router.wait(timeout: .seconds(10))
  }

  /// Ends the router in order and says how it ended.
  @discardableResult
  package func end() throws -> ChildExit {
    router.signal(15)
    return try router.wait(timeout: .seconds(10)).exit
  }

  /// Runs a command to its end.
  package func run(_ words: String..., input: ChildInput = .none) throws -> ChildResult {
    try Child.run(
      try Programs.path("bcs"), words + ["--dir", directory], input: input, timeout: .seconds(30))
  }

  /// Starts a command.
  package func start(_ words: String..., input: ChildInput = .none) throws -> Child {
    try Child.start(try Programs.path("bcs"), words + ["--dir", directory], input: input)
  }

  /// Starts `bcs sub` and returns when its subscription is known.
  package func subscriber(_ words: String...) throws -> Child {
    let child = try Child.start(
      try Programs.path("bcs"), ["sub"] + words + ["--dir", directory])
    while child.isRunning, !child.stderrSoFar.contains("subscribed to") { breathe() }
    return child
  }
}

/// Runs bcs without a router.
package func runCLI(
  _ words: String..., environment: [String: String] = [:], input: ChildInput = .none
) throws -> ChildResult {
  try Child.run(
    try Programs.path("bcs"), words, environment: environment, input: input,
    timeout: .seconds(30))
}

/// The JSON objects of a text, one on each line.
package func jsonLines(_ text: String) throws -> [[String: Any]] {
  try text.split(separator: "\n").filter { $0.hasPrefix("{") }.map { line in
    try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] ?? [:]
  }
}
