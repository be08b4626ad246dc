import ArgumentParser
import BinaryComm
import BusJSON
import BusSystem
import BusText
import BusWire
import Glibc

/// Whose router a command talks to, beside that of its own user and of root.
struct TrustOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Trust a router of this user, by name or number, too (default: $BCS_ROUTER_USER).",
      valueName: "user"))
  var routerUser: String?

  func validate() throws {
    guard let routerUser, number == nil else { return }
    throw ValidationError(
      "--router-user is '\(routerUser)', which is no user of this host: give a name or a number.")
  }

  /// The user that the option names; nil: the environment may name one.
  var number: UInt32? { routerUser.flatMap { Bus.user(named: $0) } }

  /// The further user whose router is trusted, by the option or the environment.
  var user: UInt32? {
    number ?? ProcessEnvironment.variable("BCS_ROUTER_USER").flatMap { Bus.user(named: $0) }
  }

  /// The options again, for a process of this program.
  var words: [String] { routerUser.map { ["--router-user", $0] } ?? [] }
}

/// The options of every command: where the router is, and how much is said.
struct PlaceOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The router's runtime directory (default: $BCS_DIR, $XDG_RUNTIME_DIR/bcs, /tmp/bcs-UID).",
      valueName: "directory"),
    completion: .directory)
  var dir: String?

  @OptionGroup var trust: TrustOptions

  @Option(
    name: .customLong("log-level"),
    help: ArgumentHelp(
      "Minimum log level printed to standard error: trace to error.", valueName: "log-level"))
  var askedLevel = LogLevel.notice

  @Flag(name: .shortAndLong, help: "Print errors only: --log-level error.")
  var quiet = false

  func validate() throws {
    if dir == "" { throw ValidationError("--dir is empty: name a directory, or leave it out.") }
  }

  /// The same, as commands with more than one format have them.
  var common: CommonOptions {
    var common = CommonOptions()
    common.place = self
    common.json = false
    return common
  }
}

/// The options of a command that can print JSON.
struct CommonOptions: ParsableArguments {
  @OptionGroup var place: PlaceOptions

  @Flag(name: [.customShort("j"), .long], help: "Print JSON lines with stable field names.")
  var json = false

  /// The run directory that was named.
  var dir: String? {
    get { place.dir }
    set { place.dir = newValue }
  }

  /// Whose router is trusted.
  var trust: TrustOptions { place.trust }

  /// How much is said on standard error.
  var logLevel: LogLevel { place.quiet ? .error : place.askedLevel }

  /// Says something about the work on standard error, if the level asks for it.
  func log(_ level: LogLevel, _ text: @autoclosure () -> String) {
    if level >= logLevel { Output.note(line(level, text())) }
  }

  /// The same on a thread that others wait for, one of the agent's own, say.
  func report(_ level: LogLevel, _ text: @autoclosure () -> String) {
    if level >= logLevel { Reports.note(line(level, text()), asJSON: json) }
  }

  private func line(_ level: LogLevel, _ text: String) -> TerminalText {
    json
      ? JSONValue.line([("log", .text(level.rawValue)), ("text", .text(text))]) : .entry(text)
  }

  /// Says which peers' messages cannot be read.
  func tellProblems(of messenger: inout Messenger) {
    for problem in messenger.drainProblems() {
      log(.warning, "\(problem.error.code.name): messages to this agent: \(problem.error.detail)")
    }
  }

  /// Says which names the router refuses for now; returns those that it refuses for good.
  func tellLostNames(of messenger: inout Messenger) -> [LostName] {
    let lost = messenger.drainLostNames()
    for name in lost where name.isAskedAgain {
      log(.warning, "\(name.error.code.name): \(name.error.detail)")
    }
    return lost.filter { !$0.isAskedAgain }
  }

  /// Prints a listing to standard output.
  func show(_ listing: TextTable) throws {
    try Output.write(listing.text(asJSON: json, width: Terminal.width, style: .output))
  }
}

/// How much a command says on standard error.
enum LogLevel: String, ExpressibleByArgument, CaseIterable, Comparable {
  case trace
  case debug
  case info
  case notice
  case warning
  case error

  /// Less means that more is said.
  static func < (left: LogLevel, right: LogLevel) -> Bool { left.rank < right.rank }

  private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}

/// The name a command-line agent registers under.
struct NameOptions: ParsableArguments {
  @Option(help: "The agent's name (default: cli.VERB.PID).")
  var name: String?

  /// The name given, or the default one of this command.
  ///
  /// - Throws: `Failure` with exit code 64 for a name that no agent may have.
  func resolved(_ verb: String) throws -> String {
    guard let name else { return Self.standard(verb) }
    try ArgumentChecks.checkAgent(name)
    return name
  }

  /// The name of a command that was given none.
  static func standard(_ verb: String) -> String { "cli.\(verb).\(getpid())" }
}

/// Repeating a listing until it is interrupted.
struct WatchOptions: ParsableArguments {
  @Option(
    defaultAsFlag: 2.0,
    help: ArgumentHelp("Repeat every that many seconds, by default 2.", valueName: "seconds"))
  var watch: Double?

  func validate() throws {
    guard let watch else { return }
    guard watch >= 0.1, watch <= 86_400 else {
      throw ValidationError("--watch takes 0.1 to 86400 seconds, not \(watch).")
    }
  }

  /// Calls `body` once, or again and again until an interruption, on a cleared terminal.
  func run(_ body: () throws -> Void) throws {
    guard let watch else { return try body() }
    Interrupt.beGraceful()
    while true {
      if Terminal.isTerminal(1) { try Output.write("\u{1B}[H\u{1B}[2J") }
      try body()
      let end = System.monotonicNs + UInt64(watch * 1e9)
      while System.monotonicNs < end {
        try Interrupt.check()
        System.sleep(.nanoseconds(min(100_000_000, Int(end - min(end, System.monotonicNs)))))
      }
    }
  }
}

/// The command was asked to end.
struct Interrupted: Error {}

extension Duration {
  /// A time given in seconds.
  init(seconds: Double) { self = .nanoseconds(Int64(seconds * 1e9)) }
}
