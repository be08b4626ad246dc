public import BusAccess
public import BusPorts
import BusRouting
import BusWire
import CBusPlatform
import Glibc
import Logging

/// Runs a router: the sockets, descriptors and clocks around `RouterState`.
///
/// One thread waits in one dispatcher; when nothing happens it wakes once a second to correct the
/// clock page.
public enum RouterServer {
  /// Runs until SIGTERM, SIGINT, SIGHUP or SIGQUIT; then the socket goes, and the key stays.
  ///
  /// - Parameters:
  ///   - configuration: how it is started.
  ///   - policy: who may do what.
  ///   - freshKey: a random key for tickets, used unless a former router's key is found.
  ///   - sealer: makes the sealer of a key.
  ///   - dispatcher: makes what the router waits in.
  ///   - onReady: called once, when agents can connect.
  /// - Throws: `RouterFailure` with a sentence and an exit code.
  public static func run(
    _ configuration: RouterConfiguration, policy: Policy, freshKey: [UInt8],
    sealer: ([UInt8]) -> any TicketSealer,
    dispatcher: () throws(DispatcherError) -> any Dispatcher,
    onReady: (RouterReady) -> Void
  ) throws(RouterFailure) {
    try checkChannels(policy)
    let signals = plat_ending_signals()
    guard signals >= 0 else { throw .system("signalfd", -signals) }
    defer { close(signals) }
    let descriptorsMax = Int(plat_raise_descriptors())
    guard descriptorsMax >= 64 else {
      throw RouterFailure(
        "The router may open \(max(0, descriptorsMax)) descriptors, it needs 64 at least: raise "
          + "the hard limit (ulimit -Hn).")
    }
    let directory = try RunDirectory(
      configuration.directory, openToOtherUsers: configuration.openToOtherUsers)
    let files = try RouterFiles(
      directory, freshKey: freshKey, openToOtherUsers: configuration.openToOtherUsers,
      logger: configuration.logger)
    // Also when it could not start: those whom it would have taken back may still be there.
    var leavesAgents = files.former != .empty
    defer { files.end(leavingAgents: leavesAgents) }
    // From here on this process holds a key: nobody of the same user may look into it.
    _ = plat_undumpable()
    var clock = try ClockPage.make()
    let table = DescriptorTable()
    let identity = RouterIdentity(
      pid: UInt32(getpid()), uid: geteuid(), bootNs: plat_boot_ns(), former: files.former)
    let page = clock.duplicate()
    guard page >= 0 else { throw .system("dup of the clock page", errno) }
    let state = RouterState(
      identity, limits: try limits(configuration, descriptorsMax), policy: policy,
      sealer: sealer(files.key), probe: table, clockPage: table.add(page))
    let degradations = Degradations.find(ticksAreClock: clock.isUsable)
    let loop = try RouterLoop(
      state, table, configuration, try made(dispatcher), listener: files.socket,
      signals: signals, descriptorsMax: descriptorsMax, ofKind: page)
    for line in degradations.lines { configuration.logger.warning("\(line)") }
    // The slope of the first second comes from this baseline: 10 ms give some ppm.
    usleep(10_000)
    clock.calibrate()
    onReady(
      RouterReady(
        socket: directory.socketPath, pid: getpid(), tookOver: files.former == .killed,
        ticksAreClock: clock.isUsable, descriptorsMax: descriptorsMax,
        degradations: degradations.lines))
    try loop.run {
      clock.calibrate()
      if let socket = files.tend(leaving: loop.stopListening) { loop.listen(on: socket) }
    }
    leavesAgents = loop.leavesAgents
  }

  private static func made(
    _ dispatcher: () throws(DispatcherError) -> any Dispatcher
  ) throws(RouterFailure) -> any Dispatcher {
    do { return try dispatcher() } catch { throw .system(error) }
  }

  /// How much agents may ask for, with what follows from it.
  private static func limits(
    _ configuration: RouterConfiguration, _ descriptorsMax: Int
  ) throws(RouterFailure) -> RouterLimits {
    var limits = configuration.limits
    limits.descriptors = descriptorsMax
    limits.drainMs = max(limits.drainMs, limits.stallMs)
    limits.unpaidMs = max(limits.unpaidMs, limits.drainMs)
    limits.standstillMs = max(limits.standstillMs, limits.drainMs)
    if let broken = limits.contradictions.first {
      throw RouterFailure("These limits contradict each other: not so that \(broken).")
    }
    return limits
  }

  /// All channels have to fit into the frame that tells them to an agent.
  private static func checkChannels(_ policy: Policy) throws(RouterFailure) {
    let channels = policy.channelMap.channels
    let bytes = channels.reduce(0) { $0 + $1.text.utf8.count + 10 }
    guard bytes <= ControlFormat.frameBytesMax - 1024 else {
      throw RouterFailure(
        "The policy declares \(channels.count) channels, more than agents can be told "
          + "(\(bytes) bytes): declare prefixes instead of each channel.")
    }
  }
}
