import Glibc
import Synchronization

/// Ctrl-C and SIGTERM: end at once with 130, or, for commands that have something to finish or to
/// say first, a flag they look at.
enum Interrupt {
  private static let asked = Atomic<Bool>(false)
  private static let isGraceful = Atomic<Bool>(false)

  /// True once the user or the system asked this process to end.
  static var isAsked: Bool { asked.load(ordering: .relaxed) }

  /// The exit code of a command that was interrupted.
  static let exitCode: Int32 = 130

  /// Handles the two signals and ignores SIGPIPE, so that a closed pipe is an error of the write.
  static func install() {
    // Made here: a signal handler must not be the first to touch a lazy global.
    asked.store(false, ordering: .relaxed)
    isGraceful.store(false, ordering: .relaxed)
    signal(SIGPIPE, SIG_IGN)
    for number in [SIGINT, SIGTERM] {
      var action = sigaction()
      unsafe action.__sigaction_handler.sa_handler = { _ in Interrupt.arrived() }
      unsafe sigaction(number, &action, nil)
    }
  }

  /// From now on the first signal sets the flag only; a second one still ends at once.
  static func beGraceful() {
    isGraceful.store(true, ordering: .relaxed)
  }

  /// Ends the command when it was asked to.
  static func check() throws {
    if isAsked { throw Interrupted() }
  }

  private static func arrived() {
    let again = asked.exchange(true, ordering: .relaxed)
    if again || !isGraceful.load(ordering: .relaxed) { _exit(exitCode) }
  }
}
