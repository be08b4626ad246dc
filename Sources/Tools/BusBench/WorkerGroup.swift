import BusSystem
import Foundation

/// The worker processes of one run.
///
/// They are started in order, told when to begin, and all ended when one of them fails.
struct WorkerGroup {
  private struct Member {
    let plan: WorkerPlan
    let process: ChildProcess
    var told: [WorkerLine.Event] = []
    var result: WorkerResult?
  }

  private var members: [Member] = []
  private let router: PrivateRouter?
  private let program: WorkerProgram

  init(_ program: WorkerProgram, router: PrivateRouter?) {
    self.program = program
    self.router = router
  }

  /// Does one run: all steps of all workers.
  ///
  /// - Parameter plans: the workers, readers first.
  /// - Returns: what they did and saw, in the same order.
  /// - Throws: the first failure of one of them; all have been ended then.
  mutating func run(_ plans: [WorkerPlan]) throws(BenchError) -> [WorkerResult] {
    do throws(BenchError) {
      for plan in plans { try start(plan) }
      try wait(for: .subscribed, within: 30) { $0 != .publish }
      order(.prepare)
      try wait(for: .prepared, within: 60) { $0 != .read }
      try wait(for: .attached, within: 30) { $0 == .read }
      order(.go)
      try wait(for: .finished, within: nil) { _ in true }
    } catch {
      for member in members { ChildSupervisor.signal(member.process.pid, 9) }
      for member in members { member.process.finish() }
      throw error
    }
    for member in members { member.process.closeInput() }
    for member in members { member.process.finish() }
    return members.compactMap(\.result)
  }

  private mutating func start(_ plan: WorkerPlan) throws(BenchError) {
    guard let text = try? JSONEncoder().encode(plan) else {
      throw .worker(plan.name, text: "its plan cannot be written as JSON", exitCode: 1)
    }
    let process = try ChildSupervisor.start(
      program.path, program.arguments + [String(decoding: text, as: UTF8.self)],
      environment: ProcessEnvironment.variables, endSignal: 9)
    members.append(Member(plan: plan, process: process))
  }

  private func order(_ stage: WorkerStage) {
    for member in members { member.process.send("\(stage.rawValue)") }
  }

  /// Waits until all workers of some roles have told an event.
  private mutating func wait(
    for event: WorkerLine.Event, within seconds: Int?, _ roles: (WorkerPlan.Role) -> Bool
  ) throws(BenchError) {
    let deadline = seconds.map { ContinuousClock.now + .seconds($0) }
    while true {
      // First the router: when it is gone, what the workers say follows from that.
      try router?.check()
      try listen()
      let late = members.first { roles($0.plan.role) && !$0.told.contains(event) }
      guard let late else { return }
      if let seconds, let deadline, ContinuousClock.now > deadline {
        throw .stuck(late.plan.name, waitingFor: event.rawValue, seconds: seconds)
      }
      _ = ChildProcess.wait(for: members.map(\.process), milliseconds: 100)
    }
  }

  /// Takes what the workers have said; throws the first failure.
  private mutating func listen() throws(BenchError) {
    for index in members.indices {
      for text in members[index].process.takeLines() {
        let line = try? JSONDecoder().decode(WorkerLine.self, from: Data(text.utf8))
        guard let line else { continue }
        if let failure = line.failure {
          throw .worker(members[index].plan.name, text: failure.text, exitCode: failure.exitCode)
        }
        members[index].told.append(line.event)
        members[index].result = line.result ?? members[index].result
      }
    }
    let gone = members.first { $0.result == nil && !$0.process.isTalking }
    guard let gone else { return }
    let how = gone.process.end(within: 5)?.text ?? "stopped talking"
    throw .vanished(gone.plan.name, how: how)
  }
}

/// How to start a worker: this very program, with the arguments that lead to its worker command.
struct WorkerProgram {
  let path: String
  let arguments: [String]

  /// The running program with these arguments before the worker's plan.
  init(arguments: [String]) {
    path = Machine.executable ?? "/proc/self/exe"
    let name = path.split(separator: "/").last.map(String.init) ?? "bench"
    self.arguments = [name] + arguments
  }
}
