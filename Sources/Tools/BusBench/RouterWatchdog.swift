import BusSystem
import Foundation
import Glibc

/// What the keeper of a router is told; it travels as JSON in its arguments.
struct WatchdogPlan: Codable {
  /// The router's program and its arguments.
  var router: [String]
  /// What the keeper removes at the end; the run directory and the router's log lie in it.
  var folder: String

  /// Where the router's standard error goes.
  var log: String { folder + "/router.log" }
}

/// The process between a measurement and its router: it ends the router when the measurement is
/// over, and also when the measurement was killed and can end nothing itself.
struct RouterWatchdog {
  private let plan: WatchdogPlan
  private let link = WorkerLink()

  init(_ plan: WatchdogPlan) { self.plan = plan }

  /// Starts the router, tells that it is ready, and ends it with standard input.
  ///
  /// - Throws: `BenchError.router` with the router's own words when it does not get ready or stay.
  func run() throws(BenchError) {
    try ChildSupervisor.endOnSignals()
    ChildSupervisor.adopt(folder: plan.folder)
    defer { ChildSupervisor.removeFolder(plan.folder) }
    guard let program = plan.router.first else { throw .router("has no name") }
    let router = try ChildSupervisor.start(
      program, ["msg_router"] + plan.router.dropFirst(), environment: environment,
      errors: plan.log, endSignal: SIGTERM)
    defer { router.finish(signal: SIGTERM) }
    try waitUntilReady(router)
    link.tell(.ready)
    while !ChildProcess.inputHasEnded(within: 100) {
      _ = router.takeLines()
      if let end = router.end { throw .router(end.text + words) }
    }
  }

  private func waitUntilReady(_ router: ChildProcess) throws(BenchError) {
    // As many steps of a tenth of a second as a slow machine may need.
    for _ in 0..<150 {
      _ = ChildProcess.wait(for: [router], milliseconds: 100)
      if router.takeLines().contains(where: { $0.contains("ready") }) { return }
      if !router.isTalking { break }
    }
    let end = router.finish(signal: SIGTERM)
    throw .router("did not get ready: it \(end?.text ?? "hung")\(words)")
  }

  /// The last lines it wrote, if any.
  private var words: String {
    let bytes = FileManager.default.contents(atPath: plan.log) ?? Data()
    let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n").suffix(5)
    return lines.isEmpty ? "" : "; it said: " + lines.joined(separator: " / ")
  }

  /// This user's own policy must not decide what is measured: the router sees no configuration.
  private var environment: [String] {
    let own = ["XDG_CONFIG_HOME=", "BCS_DIR="]
    return ProcessEnvironment.variables.filter { variable in
      !own.contains { variable.hasPrefix($0) }
    }
      + ["XDG_CONFIG_HOME=\(plan.folder)"]
  }
}
