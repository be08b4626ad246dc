import ArgumentParser
import BinaryComm
import BusJSON
import BusSystem
import BusText

/// A measurement as a program does it: measures, prints, and ends with the documented exit code.
public struct BenchProgram {
  private let worker: [String]

  /// - Parameter worker: the arguments that lead this program to its `WorkerCommand`.
  public init(worker: [String]) { self.worker = worker }

  /// Measures these modes with the same options and prints the reports.
  ///
  /// - Parameters:
  ///   - modes: what to measure, in order.
  ///   - options: checked already.
  ///   - isTogether: true: with `--json`, one object around all reports.
  /// - Throws: `ExitCode`, after the reason was written to standard error.
  public func run(_ modes: [BenchMode], _ options: BenchOptions, isTogether: Bool = false) throws {
    let cpus = Machine.allowedCPUs
    do throws(BenchError) {
      ProcessEnvironment.holdStandardDescriptors()
      ProcessEnvironment.keepEndsOfChildren()
      try ChildSupervisor.endOnSignals()
      let directory = try routerDirectory(options.dir)
      var reports: [BenchReport] = []
      for mode in modes {
        let plan = try fitting(mode, options, cpus: cpus.count)
        let series = BenchSeries(
          plan, cpus: cpus, program: WorkerProgram(arguments: worker), progress: progress)
        let report = try series.measure(directory: mode == .floor ? nil : directory)
        clearProgress()
        if !options.json { try Machine.show(.block(report.table + (modes.count > 1 ? "\n" : ""))) }
        reports.append(report)
      }
      if options.json { try Machine.show(TerminalText(rendered(reports, isTogether))) }
      try judge(reports)
    } catch {
      clearProgress()
      error.tell(asJSON: options.json)
      throw ExitCode(error.exitCode)
    }
  }

  private func fitting(
    _ mode: BenchMode, _ options: BenchOptions, cpus: Int
  ) throws(BenchError) -> BenchPlan {
    do {
      return try options.plan(mode, cpus: cpus)
    } catch {
      throw .usage("\(error)")
    }
  }

  private func rendered(_ reports: [BenchReport], _ isTogether: Bool) -> String {
    guard isTogether else { return reports.first?.json.rendered ?? "null" }
    let list = JSONValue.list(reports.map(\.json))
    return JSONValue.object([JSONField("mode", .text("all")), JSONField("reports", list)]).rendered
  }

  /// Figures that must not be believed are failures.
  private func judge(_ reports: [BenchReport]) throws(BenchError) {
    for report in reports {
      if report.isUnstable { throw .unstable(report.rule.range) }
      if report.hasFaults { throw .faults(report.plan.mode.rawValue) }
    }
  }

  /// Where a router answers: the named directory, else the usual one; nil: start one.
  private func routerDirectory(_ named: String?) throws(BenchError) -> String? {
    if named == "" { throw .usage("--dir is empty: name a directory, or leave it out") }
    let directory = RunDirectory.resolve(named)
    if Machine.answers(RunDirectory.socketPath(in: directory)) { return directory }
    if named != nil { throw .noRouter(directory) }
    return nil
  }

  private func progress(_ text: String) {
    if Machine.showsProgress { Machine.mark("\r\u{1B}[K\(text)") }
  }

  private func clearProgress() {
    if Machine.showsProgress { Machine.mark("\r\u{1B}[K") }
  }
}
