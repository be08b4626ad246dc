import ArgumentParser
import BinaryComm
import BusAdmin
import BusCounters
import BusSystem

/// The options of commands that take two samples of the counters.
struct IntervalOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Seconds between the two samples.", valueName: "seconds"))
  var interval = 1.0

  func validate() throws {
    guard interval >= 0.05, interval <= 3600 else {
      throw ValidationError("--interval takes 0.05 to 3600 seconds, not \(interval).")
    }
  }
}

/// The counters of the bus, watched by one command.
struct CounterSampler {
  let session: Session
  let watch: CounterWatch

  /// Registers and begins to watch.
  static func open(_ common: CommonOptions, name: String) throws -> CounterSampler {
    let session = try Session.look(common, name: name)
    do {
      return CounterSampler(session: session, watch: try session.agent.watchCounters())
    } catch {
      session.agent.close()
      throw error
    }
  }

  func close() { session.agent.close() }

  /// Everybody's counters now.
  func look() -> BusSample {
    let agents = watch.look()
    return BusSample(
      timeNs: System.monotonicNs, agents: agents, routerGoneNs: watch.routerGoneNs,
      endedUnseen: watch.endedUnseen)
  }

  /// Two looks that far apart.
  func twice(_ interval: Double) throws -> (earlier: BusSample, later: BusSample) {
    let earlier = look()
    let end = Deadline(after: Duration(seconds: interval))
    while !end.isOver {
      try Interrupt.check()
      System.sleep(min(end.left, .milliseconds(100)))
    }
    return (earlier, look())
  }
}
