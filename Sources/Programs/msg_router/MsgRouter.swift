public import ArgumentParser
import BusAccess
import BusCrypto
import BusDispatcher
import BusHardware
import BusJSON
import BusOptions
import BusPolicyFile
import BusPorts
import BusRouter
import BusRouting
import BusSystem
import BusText
import BusWire
import CBusABI
import Glibc
public import Logging

/// The command line of the router.
@main
struct MsgRouter: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "msg_router",
    abstract: "The router of the Binary Communication System.",
    usage: "msg_router [<options>]",
    discussion: """
      Agents find it through the runtime directory: --dir, else $BCS_DIR, else
      $XDG_RUNTIME_DIR/bcs, else /tmp/bcs-UID. It runs in the foreground until SIGTERM, SIGINT,
      SIGHUP or SIGQUIT.

      Exit codes: 0 ended by a signal, 1 failed, 64 wrong usage.
      """,
    version: BUS_RELEASE)

  @Option(help: "The runtime directory.")
  var dir: String?

  @OptionGroup var router: RouterOptions

  @Option(help: "Minimum level that is logged: trace, debug, info, notice, warning, error.")
  var logLevel = Logger.Level.notice

  @Flag(help: "Print the ready report, and why there is no router, as one line of JSON.")
  var json = false

  @Option(help: .hidden)
  var forbid: String?

  static func main() {
    ProcessEnvironment.holdStandardDescriptors()
    main(NegativeNumbers.joined(Array(CommandLine.arguments.dropFirst())))
  }

  func validate() throws {
    if dir == "" { throw ValidationError("--dir is empty: name a directory, or leave it out.") }
    _ = try HiddenFeatures.mask(forbid ?? "")
  }

  func run() throws {
    let environment = Environment.ofThisProcess
    let absent = try HiddenFeatures.mask(forbid ?? environment["BCS_FORBID"] ?? "")
    HostDegradations.forbidInThisProcess(HostDegradations(rawValue: absent))
    let uid = geteuid()
    defer { LogOutput.standardError.finish() }
    do {
      let (policy, file) = try PolicyFile.inForce(
        explicit: router.policy, environment: environment, ownUID: uid)
      let configuration = configuration(policy, environment, uid)
      let host = HostReport.gather()
      try RouterServer.run(
        configuration, policy: policy, freshKey: SecureRandom.bytes(HMACSealer.keyBytes),
        sealer: { HMACSealer(key: $0) },
        dispatcher: EpollDispatcher.init
      ) { ready in
        let report = ReadyReport(ready, host, limits: configuration.limits, policyFile: file)
        Environment.printNow(json ? report.json : report.text)
      }
    } catch let failure as RouterFailure {
      throw ending(failure.description, failure.exitCode, "FAILED")
    } catch {
      throw ending("\(error)", 1, error is PolicyFileError ? "INVALID" : "FAILED")
    }
  }

  private func configuration(
    _ policy: Policy, _ environment: [String: String], _ uid: UInt32
  ) -> RouterConfiguration {
    let label = "msg_router"
    var logger = Logger(label: label) { _ in SafeLogHandler(label: label) }
    logger.logLevel = logLevel
    var configuration = RouterConfiguration(
      directory: RunDirectoryRule.path(option: dir, environment: environment, uid: uid),
      logger: logger)
    configuration.limits.arenaBytes = router.arena.bytes
    configuration.limits.agentBytes = min(router.agentQuota.bytes, router.arena.bytes)
    configuration.limits.logBytesFirst = router.logFirst.bytes
    configuration.limits.logBytesMax = router.logMax.bytes
    configuration.limits.stallMs = UInt32(router.stall * 1000)
    configuration.limits.graceNs = UInt64(router.grace * 1_000_000_000)
    configuration.limits.unreadMs = UInt32(router.unread * 1000)
    configuration.limits.queuedBytesPerUser = Int(router.queued.bytes)
    configuration.openToOtherUsers = policy.namesUsers(otherThan: uid)
    return configuration
  }

  /// Says why it ends, in the form that was asked for; with `bcs up` this is the error of bcs.
  private func ending(_ text: String, _ code: Int32, _ name: String) -> ExitCode {
    Environment.complain(
      json
        ? JSONValue.line([
          ("error", .text(name)), ("exit", .integer(Int(code))), ("message", .text(text)),
          ("remedy", .text("")),
        ])
        : "msg_router: \(TerminalText.entry(text))")
    return ExitCode(code)
  }
}

extension Logger.Level: @retroactive ExpressibleByArgument {}
