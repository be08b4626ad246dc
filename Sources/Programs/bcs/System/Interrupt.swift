import Glibc
import Synchronization

/// Ctrl-C, SIGTERM and SIGHUP, the end of a terminal: end at once with 128 and the signal's number,
/// or, for commands that have something to finish or to say first, a flag they look at.
enum Interrupt {
  /// The first signal that came; 0: none.
  private static let asked = Atomic<Int32>(0)
  private static let isGraceful = Atomic<Bool>(false)
  /// Whether this process is in, or about to enter, a system call that may never return.
  private static let isWaiting = Atomic<Bool>(false)
  /// How often such a call is interrupted once the process was asked to end.
  private static let tickMicroseconds: UInt32 = 20_000

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
    isWaiting.store(false, ordering: .relaxed)
    for number in [SIGPIPE, SIGXFSZ] { signal(number, SIG_IGN) }
    // Whoever started this process may have blocked them, and that is inherited.
    var heard = sigset_t()
    unsafe sigemptyset(&heard)
    for number in [SIGINT, SIGTERM, SIGHUP, SIGALRM] { unsafe sigaddset(&heard, number) }
    unsafe pthread_sigmask(SIG_UNBLOCK, &heard, nil)
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

  /// Makes a system call that may never return, on the main thread: no signal is lost on it.
  ///
  /// A signal interrupts a call, but not one that is made a moment later, and a look at the flag
  /// before it leaves that moment open. So the first signal meanwhile sets off a clock that
  /// interrupts the call again and again; without a signal this costs no system call.
  ///
  /// - Returns: what the call returned, and the error number where that is negative.
  static func waiting(_ call: () -> Int) -> (result: Int, code: Int32) {
    // Either this thread sees the flag, or the handler that sets it sees this one.
    isWaiting.store(true, ordering: .sequentiallyConsistent)
    if asked.load(ordering: .sequentiallyConsistent) != 0 { startTicks() }
    let result = call()
    let code = result < 0 ? errno : 0
    isWaiting.store(false, ordering: .sequentiallyConsistent)
    if asked.load(ordering: .sequentiallyConsistent) != 0 { _ = ualarm(0, 0) }
    return (result, code)
  }

  /// Called by a signal handler, too: system calls only.
  private static func startTicks() {
    var action = sigaction()
    unsafe action.__sigaction_handler.sa_handler = { _ in }
    unsafe sigaction(SIGALRM, &action, nil)
    _ = ualarm(tickMicroseconds, tickMicroseconds)
  }

  /// Notes a signal in a handler: it decides the exit code if it is the first, which is returned.
  @discardableResult
  static func note(_ number: Int32) -> Bool {
    let first = asked.compareExchange(
      expected: 0, desired: number, ordering: .sequentiallyConsistent)
    if isWaiting.load(ordering: .sequentiallyConsistent) { startTicks() }
    return first.exchanged
  }

  /// Whether whoever started this process wants it to live on, as `nohup` does.
  static func isIgnored(_ number: Int32) -> Bool {
    var action = sigaction()
    unsafe sigaction(number, nil, &action)
    return unsafe unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == 1
  }

  private static func arrived(_ number: Int32) {
    if !note(number) || !isGraceful.load(ordering: .relaxed) { _exit(exitCode) }
  }
}
