import BusPorts
public import BusRouting
import BusSystem
import Glibc
public import Logging

/// How a router is started.
public struct RouterConfiguration: Sendable {
  /// The run directory; it is made when it does not exist.
  public var directory: String
  /// How much agents may ask for.
  public var limits = RouterLimits()
  /// Whether processes of other users may connect: the kernel's word on who they are, and the
  /// policy, then decide about each.
  public var openToOtherUsers = false
  /// Where the router tells what happens.
  public var logger: Logger

  /// A router on this directory that logs there.
  public init(directory: String, logger: Logger) {
    self.directory = directory
    self.logger = logger
  }
}

/// What a router says of itself when it is ready.
public struct RouterReady: Sendable {
  /// The path of the control socket.
  public let socket: String
  /// The router's process.
  public let pid: Int32
  /// Whether it took over from a router that did not end cleanly.
  public let tookOver: Bool
  /// Whether the CPU's counter serves as the clock.
  public let ticksAreClock: Bool
  /// Descriptors it may open.
  public let descriptorsMax: Int
  /// One sentence for each thing this machine does not give.
  public let degradations: [String]
}

/// Why a router does not start or cannot go on.
public struct RouterFailure: Error, Sendable, CustomStringConvertible {
  /// What happened and what to do, for the person who started it.
  public let description: String
  /// The exit code of the program.
  public let exitCode: Int32
  /// Another router holds the place.
  let isTaken: Bool

  init(_ description: String, exitCode: Int32 = 1, isTaken: Bool = false) {
    self.description = description
    self.exitCode = exitCode
    self.isTaken = isTaken
  }

  /// A system call that failed, with its error number.
  static func system(_ call: String, _ number: Int32, hint: String = "") -> RouterFailure {
    let advice =
      switch number {
      case EFBIG: "The limit on file sizes (ulimit -f, LimitFSIZE=) covers memory files: raise it."
      default: hint
      }
    let end = advice.isEmpty ? "" : " " + advice
    return RouterFailure("\(call) failed: \(Errno.text(number)).\(end)")
  }

  /// A dispatcher that cannot be made, or cannot watch or wait.
  static func system(_ error: DispatcherError) -> RouterFailure {
    .system(error.call, error.number)
  }
}
