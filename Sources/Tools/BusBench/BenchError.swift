import BusJSON
import BusSystem
import BusText

/// Why a measurement ended without figures.
public enum BenchError: Error, Equatable, Sendable, CustomStringConvertible {
  /// A worker told what went wrong, with the exit code that belongs to it.
  case worker(String, text: String, exitCode: Int32)
  /// A worker ended without a word; how.
  case vanished(String, how: String)
  /// A worker did not get so far in this many seconds.
  case stuck(String, waitingFor: String, seconds: Int)
  /// The router of our own did not start or did not stay.
  case router(String)
  /// A named run directory has no router.
  case noRouter(String)
  /// The floor could not be measured.
  case floor(String, error: Int32)
  /// The counter of this CPU cannot serve as a clock.
  case counter
  /// The floor moved too often; between which nanoseconds of ping-pong.
  case unstable(ClosedRange<Double>?)
  /// Messages were lost, damaged, doubled or out of order.
  case faults(String)
  /// The options do not fit together.
  case usage(String)
  /// The operating system refused a call.
  case system(String, error: Int32)

  /// The exit code of the program.
  public var exitCode: Int32 {
    switch self {
    case .worker(_, _, let exitCode): exitCode
    case .noRouter, .router: 69
    case .stuck: 4
    case .usage: 64
    case .vanished, .floor, .counter, .system, .unstable, .faults: 1
    }
  }

  /// The stable name in JSON.
  public var name: String {
    switch self {
    case .noRouter, .router: "NO_ROUTER"
    case .stuck: "TIMEOUT"
    case .usage: "USAGE"
    case .unstable: "UNSTABLE"
    case .faults: "FAULTS"
    case .floor, .system: "SYSTEM"
    case .worker, .vanished, .counter: "FAILED"
    }
  }

  /// As programs are told it: one object, with the fields of every error of the programs.
  var json: JSONValue {
    .object([
      JSONField("error", .text(name)), JSONField("exit", .integer(Int(exitCode))),
      JSONField("message", .text(description)), JSONField("remedy", .text("")),
    ])
  }

  /// Says it on standard error.
  func tell(asJSON: Bool) {
    Machine.say(asJSON ? json.text : "error: \(TerminalText.entry(description))")
  }

  /// What happened and what to do.
  public var description: String {
    switch self {
    case .worker(let who, let text, _):
      who == "router" ? text : "the \(who) failed: \(text)"
    case .vanished(let who, let how):
      "the \(who) \(how) before it had a result; run again, and look for what ended it"
    case .stuck(let who, let what, let seconds):
      "the \(who) is stuck: no \(what) after \(seconds) s; look for stopped processes"
    case .router(let what):
      "the router for the measurement \(what)"
    case .noRouter(let directory):
      "no router answers in \(directory); start one with 'bcs up', or leave out --dir"
    case .floor(let what, let error):
      "the floor (\(what)) could not be measured: \(Errno.text(error))"
    case .counter:
      "the CPU's counter does not tick at a constant rate here, so times cannot be compared "
        + "between processes; 'bcs doctor' says more"
    case .unstable(let range):
      "unstable: the floor moved by more than 30 % in \(StabilityRule.repeatsMax) runs"
        + (range.map { " (ping-pong \(Int($0.lowerBound)) to \(Int($0.upperBound)) ns)" } ?? "")
        + "; try again when the machine is quieter"
    case .faults(let mode):
      "\(mode): messages were lost, damaged, doubled or out of order; see the counts"
    case .usage(let text): text
    case .system(let call, let error):
      "\(call) failed: \(Errno.text(error)); 'bcs doctor' shows limits"
    }
  }
}
