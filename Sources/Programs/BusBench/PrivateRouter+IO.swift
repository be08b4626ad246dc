import Foundation
import Glibc

/// A router for this measurement alone, in a run directory of its own.
final class PrivateRouter {
  /// Its run directory.
  let directory: String
  private let folder: String
  private let process: ChildProcess

  /// Starts the `msg_router` that lies beside this program.
  ///
  /// - Parameter plan: what it needs room for.
  /// - Throws: `BenchError.router` with its own words when it does not get ready.
  init(for plan: BenchPlan) throws(BenchError) {
    let program = try Self.program()
    folder = try Household.makeFolder()
    directory = folder + "/run"
    let log = folder + "/router.log"
    do throws(BenchError) {
      process = try Household.start(
        program, Self.arguments(directory, plan), environment: Self.environment(folder),
        errors: log, endSignal: SIGTERM)
    } catch {
      Household.removeFolder(folder)
      throw error
    }
    try waitUntilReady(log)
  }

  /// Throws when it is no longer there.
  func check() throws(BenchError) {
    _ = process.takeLines()
    guard let end = Household.end(of: process.pid) else { return }
    throw .router(end.text + words(of: folder + "/router.log"))
  }

  /// Ends it and removes its folder.
  func stop() {
    process.finish(signal: SIGTERM)
    Household.removeFolder(folder)
  }

  private func waitUntilReady(_ log: String) throws(BenchError) {
    // As many steps of a tenth of a second as a slow machine may need.
    for _ in 0..<150 {
      _ = ChildProcess.wait(for: [process], milliseconds: 100)
      if process.takeLines().contains(where: { $0.contains("ready") }) { return }
      if !process.isTalking { break }
    }
    let end = process.finish(signal: SIGTERM)
    let said = words(of: log)
    Household.removeFolder(folder)
    throw .router("did not get ready: it \(end?.text ?? "hung")\(said)")
  }

  /// The last lines it wrote, if any.
  private func words(of log: String) -> String {
    guard let bytes = FileManager.default.contents(atPath: log), !bytes.isEmpty else { return "" }
    let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n").suffix(5)
    return "; it said: " + lines.joined(separator: " / ")
  }

  private static func program() throws(BenchError) -> String {
    guard let own = Machine.executable, let slash = own.lastIndex(of: "/") else {
      throw .router("cannot be found: this program's own file is gone; install BCS again")
    }
    let path = own[...slash] + "msg_router"
    guard unsafe access(String(path), X_OK) == 0 else {
      throw .router("is not at \(path); build it with 'make', or name a running one with --dir")
    }
    return String(path)
  }

  /// Room for the logs of all publishers, and again as much for what is being replaced.
  private static func arguments(_ directory: String, _ plan: BenchPlan) -> [String] {
    let log = plan.logBytes + (1 << 20)
    let quota = max(256 << 20, 4 * log)
    let arena = max(1 << 30, (plan.publishers + plan.readers + 4) * quota)
    return [
      "msg_router", "--dir", directory, "--arena", "\(arena)", "--agent-quota", "\(quota)",
      "--log-most", "\(max(plan.logBytes, 4 << 20))",
    ]
  }

  /// This user's own policy must not decide what is measured: the router sees no configuration.
  private static func environment(_ folder: String) -> [String] {
    let own = ["XDG_CONFIG_HOME=", "BCS_DIR="]
    return Machine.environment.filter { variable in !own.contains { variable.hasPrefix($0) } }
      + ["XDG_CONFIG_HOME=\(folder)"]
  }
}
