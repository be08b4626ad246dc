import Glibc
import Synchronization

/// Ctrl-C, SIGTERM and SIGHUP, the end of a terminal: end at once with 128 and the signal's number,
/// or, for commands that have something to finish or to say first, a flag they look at.
enum Interrupt {
  /// The first signal that came; 0: none.
  private static let asked = Atomic<Int32>(0)
  private static let isGraceful = Atomic<Bool>(false)

  /// True once the user or the system asked this process to end.
  static var isAsked: Bool { asked.load(ordering: .relaxed) != 0 }

  /// Whether it was the user, at the keyboard.
  static var isCtrlC: Bool { asked.load(ordering: .relaxed) == SIGINT }

  /// The exit code of a command that was interrupted: 129, 130 or 143.
  static var exitCode: Int32 {
    let number = asked.load(ordering: .relaxed)
    return 128 + (number == 0 ? SIGINT : number)
  }

  /// Handles the three signals, and ignores SIGPIPE and SIGXFSZ, so that a closed pipe and a limit
  /// of the size of files are errors of the write.
  static func install() {
    // Made here: a signal handler must not be the first to touch a lazy global.
    asked.store(0, ordering: .relaxed)
    isGraceful.store(false, ordering: .relaxed)
    for number in [SIGPIPE, SIGXFSZ] { signal(number, SIG_IGN) }
    for number in [SIGINT, SIGTERM, SIGHUP] where number != SIGHUP || !isIgnored(number) {
      var action = sigaction()
      unsafe action.__sigaction_handler.sa_handler = { number in Interrupt.arrived(number) }
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

  /// Notes a signal that another handler took: it decides the exit code if it is the first.
  static func note(_ number: Int32) {
    _ = asked.compareExchange(expected: 0, desired: number, ordering: .relaxed)
  }

  /// Whether whoever started this process wants it to live on, as `nohup` does.
  static func isIgnored(_ number: Int32) -> Bool {
    var action = sigaction()
    unsafe sigaction(number, nil, &action)
    return unsafe unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == 1
  }

  private static func arrived(_ number: Int32) {
    let first = asked.compareExchange(expected: 0, desired: number, ordering: .relaxed)
    if !first.exchanged || !isGraceful.load(ordering: .relaxed) { _exit(exitCode) }
  }
}
