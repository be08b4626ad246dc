import BusSystem
import Foundation
import Glibc

/// A router for this measurement alone, in a run directory of its own.
final class PrivateRouter {
  /// Its run directory.
  let directory: String
  private let folder: String
  private let keeper: ChildProcess

  /// Starts the `msg_router` that lies beside this program.
  ///
  /// - Parameters:
  ///   - plan: what it needs room for.
  ///   - program: how to start its keeper.
  /// - Throws: `BenchError.router` with its own words when it does not get ready.
  init(for plan: BenchPlan, _ program: WorkerProgram) throws(BenchError) {
    let path = try Self.path()
    folder = try ChildSupervisor.makeFolder()
    directory = folder + "/run"
    let order = WatchdogPlan(router: [path] + Self.arguments(directory, plan), folder: folder)
    do throws(BenchError) {
      guard let text = try? JSONEncoder().encode(order) else {
        throw .router("cannot be described as JSON")
      }
      keeper = try ChildSupervisor.start(
        program.path, program.arguments + [String(decoding: text, as: UTF8.self)],
        environment: ProcessEnvironment.variables, endSignal: SIGTERM)
    } catch {
      ChildSupervisor.removeFolder(folder)
      throw error
    }
    do throws(BenchError) {
      while try !isReady() { _ = ChildProcess.wait(for: [keeper], milliseconds: 100) }
    } catch {
      stop()
      throw error
    }
  }

  /// Throws when it is no longer there.
  func check() throws(BenchError) { _ = try isReady() }

  /// Ends it and removes its folder.
  func stop() {
    keeper.finish(within: 10)
    ChildSupervisor.removeFolder(folder)
  }

  /// True when the keeper has just told that the router is ready.
  private func isReady() throws(BenchError) -> Bool {
    var ready = false
    for text in keeper.takeLines() {
      let line = try? JSONDecoder().decode(WorkerLine.self, from: Data(text.utf8))
      if let failure = line?.failure {
        throw .worker("router", text: failure.text, exitCode: failure.exitCode)
      }
      ready = ready || line?.event == .ready
    }
    if let end = keeper.end {
      throw .router("lost its keeper, which \(end.text)")
    }
    return ready
  }

  private static func path() throws(BenchError) -> String {
    guard let own = Machine.executable, let slash = own.lastIndex(of: "/") else {
      throw .router("cannot be found: this program's own file is gone; install BCS again")
    }
    let path = String(own[...slash]) + "msg_router"
    guard unsafe access(path, X_OK) == 0 else {
      throw .router("is not at \(path); build it with 'make', or name a running one with --dir")
    }
    return path
  }

  /// Room for the logs of all publishers, and again as much for what is being replaced.
  private static func arguments(_ directory: String, _ plan: BenchPlan) -> [String] {
    let log = plan.logBytes + (1 << 20)
    let quota = max(256 << 20, 4 * log)
    let arena = max(1 << 30, (plan.publishers + plan.readers + 4) * quota)
    return [
      "--dir", directory, "--arena", "\(arena)", "--agent-quota", "\(quota)",
      "--log-most", "\(max(plan.logBytes, 64 << 20))",
    ]
  }
}
