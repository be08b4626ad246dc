public import ArgumentParser
import BusAccess
import BusCrypto
import BusHardware
import BusPolicyFile
import BusRouter
import BusRouting
import Glibc
public import Logging

/// The command line of the router.
@main
struct MsgRouter: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "msg_router",
    abstract: "The router of the Binary Communication System.",
    discussion: """
      Agents find it through the run directory: --dir, else $BCS_DIR, else $XDG_RUNTIME_DIR/bcs,
      else /tmp/bcs-UID. It runs in the foreground until SIGTERM or SIGINT.

      Exit codes: 0 ended by a signal, 1 failed, 64 wrong usage.
      """,
    version: RouterVersion.text)

  @Option(help: "The run directory.")
  var dir: String?

  @Option(help: "The policy file; default: $XDG_CONFIG_HOME/bcs/policy.yaml if it is there.")
  var policy: String?

  @Option(help: "Shared memory of all agents together, such as 512M or 4G.")
  var arena = ByteSize(bytes: RouterLimits().arenaBytes)

  @Option(help: "Shared memory of one agent, where the policy states no quota.")
  var agentQuota = ByteSize(bytes: RouterLimits().agentBytes)

  @Option(help: "Ring bytes of the first log of a stream, a power of two.")
  var logFirst = ByteSize(bytes: RouterLimits().logBytesFirst)

  @Option(help: "Ring bytes a log may grow to, a power of two.")
  var logMost = ByteSize(bytes: RouterLimits().logBytesMost)

  @Option(help: "Seconds a lossless reader may hold its publisher back.")
  var stall = 5.0

  @Option(help: "Seconds in which agents come back after a router was killed.")
  var grace = 2.0

  @Option(help: "Least level that is logged: trace, debug, info, notice, warning, error.")
  var logLevel = Logger.Level.notice

  @Flag(help: "Take logs in huge pages.")
  var hugePages = false

  @Flag(help: "Print the ready report as one line of JSON.")
  var json = false

  @Option(help: .hidden)
  var forbid: String?

  func validate() throws {
    guard arena.bytes >= 1 << 20 else {
      throw ValidationError("--arena must be at least 1M, it is \(arena.description).")
    }
    for (name, size) in [("--log-first", logFirst), ("--log-most", logMost)] {
      guard size.bytes >= 4096, size.bytes.nonzeroBitCount == 1, size.bytes <= 1 << 32 else {
        throw ValidationError(
          "\(name) must be a power of two from 4K to 4G, it is \(size.description).")
      }
    }
    guard logFirst.bytes <= logMost.bytes else {
      throw ValidationError("--log-first is larger than --log-most: exchange them.")
    }
    guard (0.001...3600).contains(stall), (0...60).contains(grace) else {
      throw ValidationError("--stall is 0.001 to 3600 seconds and --grace 0 to 60.")
    }
    _ = try HiddenFeatures.mask(forbid ?? "")
  }

  func run() throws {
    let environment = Environment.ofThisProcess
    let absent = try HiddenFeatures.mask(forbid ?? environment["BCS_FORBID"] ?? "")
    HostDegradations.forbidInThisProcess(HostDegradations(rawValue: absent))
    let uid = geteuid()
    do {
      let (policy, file) = try PolicyFile.inForce(
        explicit: policy, environment: environment, ownUID: uid)
      let configuration = configuration(policy, environment, uid)
      let host = HostReport.gather()
      try RouterServer.run(
        configuration, policy: policy, freshKey: SecureRandom.bytes(HMACSealer.keyBytes),
        sealer: { HMACSealer(key: $0) }
      ) { ready in
        let report = ReadyReport(ready, host, limits: configuration.limits, policyFile: file)
        Environment.printNow(json ? report.json : report.text)
      }
    } catch let failure as RouterFailure {
      throw Self.ending(failure.description, failure.exitCode)
    } catch {
      throw Self.ending("\(error)", 1)
    }
  }

  private func configuration(
    _ policy: Policy, _ environment: [String: String], _ uid: UInt32
  ) -> RouterConfiguration {
    let label = "msg_router"
    var logger = Logger(label: label) { _ in StreamLogHandler.standardError(label: label) }
    logger.logLevel = logLevel
    var configuration = RouterConfiguration(
      directory: RunDirectoryPath.resolve(option: dir, environment: environment, uid: uid),
      logger: logger)
    configuration.limits.arenaBytes = arena.bytes
    configuration.limits.agentBytes = min(agentQuota.bytes, arena.bytes)
    configuration.limits.logBytesFirst = logFirst.bytes
    configuration.limits.logBytesMost = logMost.bytes
    configuration.limits.stallMs = UInt32(stall * 1000)
    configuration.limits.graceNs = UInt64(grace * 1_000_000_000)
    configuration.openToOtherUsers = policy.namesUsers(otherThan: uid)
    configuration.hugePages = hugePages
    return configuration
  }

  private static func ending(_ text: String, _ code: Int32) -> ExitCode {
    Environment.complain("msg_router: \(text)")
    return ExitCode(code)
  }
}

extension Logger.Level: @retroactive ExpressibleByArgument {}
