public import ArgumentParser
import BusRouting

/// The options of a router, as `msg_router` takes them and `bcs up` hands them on.
public struct RouterOptions: ParsableArguments, Sendable {
  /// The policy file.
  @Option(
    help: ArgumentHelp(
      "The policy file; default: $XDG_CONFIG_HOME/bcs/policy.yaml if it is there.",
      valueName: "file"),
    completion: .file(extensions: ["yaml", "yml"]))
  public var policy: String?

  /// Bytes of all agents together.
  @Option(
    help: Self.size(
      "Shared memory limit of all agents, such as 512M or 4GiB.", RouterLimits().arenaBytes
    ),
    transform: ByteSize.parse)
  public var arena = ByteSize(bytes: RouterLimits().arenaBytes)

  /// Bytes of one agent.
  @Option(
    help: Self.size(
      "Shared memory limit of one agent, where the policy states none.", RouterLimits().agentBytes),
    transform: ByteSize.parse)
  public var agentQuota = ByteSize(bytes: RouterLimits().agentBytes)

  /// Ring bytes of a first log.
  @Option(
    help: Self.size(
      "Initial ring size of a log, a power of two.", RouterLimits().logBytesFirst),
    transform: ByteSize.parse)
  public var logFirst = ByteSize(bytes: RouterLimits().logBytesFirst)

  /// Ring bytes of the largest log.
  @Option(
    name: .customLong("log-most"),
    help: Self.size("Maximum ring size of a log, a power of two.", RouterLimits().logBytesMax),
    transform: ByteSize.parse)
  public var logMax = ByteSize(bytes: RouterLimits().logBytesMax)

  /// Seconds of the stall budget.
  @Option(
    help: ArgumentHelp(
      "How long a lossless subscriber may block publishers.", valueName: "seconds"))
  public var stall = 5.0

  /// Seconds of grace after a router was killed.
  @Option(
    help: ArgumentHelp(
      "How long agents may take to reconnect after a router was killed.", valueName: "seconds"))
  public var grace = 2.0

  /// Seconds that an agent may leave unread what fills its socket.
  @Option(
    help: ArgumentHelp(
      "How long an agent may leave unread what the router sends.", valueName: "seconds"))
  public var unread = Double(RouterLimits().unreadMs) / 1000

  /// Bytes that may wait for the agents of one user.
  @Option(
    help: Self.size(
      "How much may wait for agents of one user that do not read.",
      UInt64(RouterLimits().queuedBytesPerUser)),
    transform: ByteSize.parse)
  public var queued = ByteSize(bytes: UInt64(RouterLimits().queuedBytesPerUser))

  /// The defaults.
  public init() {}

  /// Help that shows the default, which the parser does not for what is read by a function.
  private static func size(_ text: String, _ standard: UInt64) -> ArgumentHelp {
    ArgumentHelp("\(text) (default: \(ByteSize(bytes: standard)))", valueName: "size")
  }

  /// Checks the ranges; throws `ValidationError` with what is allowed.
  public func validate() throws {
    guard arena.bytes >= 1 << 20 else {
      throw ValidationError("--arena must be at least 1M, it is \(arena).")
    }
    for (name, size) in [("--log-first", logFirst), ("--log-most", logMax)] {
      guard size.bytes >= 4096, size.bytes.nonzeroBitCount == 1, size.bytes <= 1 << 32 else {
        throw ValidationError("\(name) must be a power of two from 4K to 4G, it is \(size).")
      }
    }
    guard logFirst.bytes <= logMax.bytes else {
      throw ValidationError("--log-first is larger than --log-most: exchange them.")
    }
    guard (0.001...3600).contains(stall), (0...60).contains(grace) else {
      throw ValidationError("--stall is 0.001 to 3600 seconds and --grace 0 to 60.")
    }
    guard (0.001...3600).contains(unread), (64 << 10...1 << 40).contains(queued.bytes) else {
      throw ValidationError("--unread is 0.001 to 3600 seconds and --queued 64K to 1T.")
    }
  }

  /// The words that give a router these options.
  public var words: [String] {
    var words = policy.map { ["--policy", $0] } ?? []
    words += ["--arena", "\(arena)", "--agent-quota", "\(agentQuota)"]
    words += ["--log-first", "\(logFirst)", "--log-most", "\(logMax)"]
    words += ["--unread", "\(unread)", "--queued", "\(queued)"]
    return words + ["--stall", "\(stall)", "--grace", "\(grace)"]
  }
}
