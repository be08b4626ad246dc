public import ArgumentParser
import BinaryComm
import BusWire
import Foundation

/// One process of a measurement; the benchmark starts it, not a person.
public struct WorkerCommand: ParsableCommand {
  /// Hidden: its argument is a plan in JSON.
  public static let configuration = CommandConfiguration(
    commandName: "worker", abstract: "One process of a measurement; started by the others.",
    shouldDisplay: false)

  @Argument(help: "The worker's plan, in JSON.")
  var plan: String

  /// A worker without a plan.
  public init() {}

  /// Does the work; the result goes to standard output.
  ///
  /// - Throws: `ExitCode`, after the reason was told on standard output.
  public func run() throws {
    if let keeper = try? JSONDecoder().decode(WatchdogPlan.self, from: Data(plan.utf8)) {
      try keep(keeper)
      return
    }
    let mesh = try? JSONDecoder().decode(MeshPlan.self, from: Data(plan.utf8))
    let idle = try? JSONDecoder().decode(IdlePlan.self, from: Data(plan.utf8))
    let worker = try? JSONDecoder().decode(WorkerPlan.self, from: Data(plan.utf8))
    guard mesh != nil || idle != nil || worker != nil else {
      throw ValidationError("a worker is started by 'bench', not by hand.")
    }
    let link = WorkerLink()
    link.listen()
    do {
      try mesh?.run(link)
      try idle?.run(link)
      if let worker { try Worker(plan: worker, link: link).run() }
    } catch let failure as WorkerFailure {
      link.fail(failure)
      throw ExitCode(failure.exitCode)
    } catch let error as BusError {
      link.fail(WorkerFailure(text: error.description, exitCode: error.code.exitCode))
      throw ExitCode(error.code.exitCode)
    }
  }

  private func keep(_ plan: WatchdogPlan) throws {
    do throws(BenchError) {
      try RouterWatchdog(plan).run()
    } catch {
      WorkerLink().fail(WorkerFailure(text: error.description, exitCode: error.exitCode))
      throw ExitCode(error.exitCode)
    }
  }
}
