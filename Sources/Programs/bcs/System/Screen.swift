import BusSystem
import BusTerminal
import BusText
import Glibc
import Synchronization

/// The terminal as a full screen: keys come one by one, and everything is put back at the end,
/// whichever way it comes.
final class Screen {
  /// What ended a wait.
  enum Event {
    /// Keys came.
    case keys([TopState.Key])
    /// The window has another size, or the program is in the foreground again.
    case resized
    /// The time is over.
    case time
  }

  private static let ends = [SIGINT, SIGTERM, SIGHUP, SIGQUIT]
  private let before: termios
  private let signals: SignalPipe
  private var isEntered = false

  /// Takes the terminal over.
  ///
  /// - Throws: `Failure` when standard input is none.
  init() throws {
    var settings = termios()
    guard unsafe tcgetattr(0, &settings) == 0 else {
      throw Failure(
        "The terminal's settings cannot be read: \(Errno.text(errno)).",
        remedy: "Use `bcs top --once`.", name: "SYSTEM")
    }
    before = settings
    // Under nohup the end of a terminal ends nothing.
    let ends = Self.ends.filter { $0 != SIGHUP || !Interrupt.isIgnored($0) }
    signals = try SignalPipe([SIGWINCH, SIGTSTP, SIGCONT] + ends)
    try enter()
  }

  deinit { leave() }

  /// Columns and rows; 0 × 0 when the terminal does not say.
  var size: (width: Int, height: Int) {
    var size = winsize()
    guard unsafe ioctl(1, UInt(TIOCGWINSZ), &size) == 0 else { return (0, 0) }
    return (Int(size.ws_col), Int(size.ws_row))
  }

  /// Waits for keys, a signal or the end of the time.
  ///
  /// - Throws: `Interrupted` when a signal asks for the end.
  func wait(_ time: Duration) throws -> Event {
    var watched = [
      pollfd(fd: 0, events: Int16(POLLIN), revents: 0),
      pollfd(fd: signals.reading, events: Int16(POLLIN), revents: 0),
    ]
    let (seconds, attoseconds) = time.components
    let milliseconds = seconds * 1000 + attoseconds / 1_000_000_000_000_000 + 1
    let count = unsafe poll(&watched, 2, Int32(clamping: milliseconds))
    guard count > 0 else { return .time }
    if watched[1].revents != 0 { return try act(on: signals.take()) }
    var room = [UInt8](repeating: 0, count: 256)
    let read = unsafe Glibc.read(0, &room, room.count)
    // The terminal is gone: whoever looked has left.
    guard read != 0 else { throw Interrupted() }
    if read < 0 {
      if errno == EINTR || errno == EAGAIN { return .time }
      throw Interrupted()
    }
    return .keys(TopState.Key.keys(in: Array(room[..<read])))
  }

  private func act(on numbers: Set<Int32>) throws -> Event {
    try end(if: numbers)
    if numbers.contains(SIGTSTP) {
      leave()
      kill(getpid(), SIGSTOP)
      try enter()
      // SIGCONT is in the pipe by now and has nothing more to do.
      try end(if: signals.take())
    } else if numbers.contains(SIGCONT) {
      leave()
      try enter()
    }
    return .resized
  }

  private func end(if numbers: Set<Int32>) throws {
    if !numbers.isDisjoint(with: Self.ends) { throw Interrupted() }
  }

  private func enter() throws {
    guard !isEntered else { return }
    var raw = before
    raw.c_lflag &= ~tcflag_t(ICANON | ECHO | IEXTEN)
    raw.c_iflag &= ~tcflag_t(IXON | ICRNL)
    // A read returns what is there and never waits: poll does.
    unsafe withUnsafeMutableBytes(of: &raw.c_cc) { all in
      unsafe all[Int(VMIN)] = 0
      unsafe all[Int(VTIME)] = 0
    }
    // Without a flush: keys that were pressed while the screen was away are keys all the same.
    unsafe tcsetattr(0, TCSADRAIN, &raw)
    isEntered = true
    // The other screen, no cursor, no wrapping at the edge.
    try Output.write("\u{1B}[?1049h\u{1B}[?25l\u{1B}[?7l\u{1B}[2J")
  }

  /// Gives the terminal back as it was.
  func leave() {
    guard isEntered else { return }
    isEntered = false
    try? Output.write("\u{1B}[?7h\u{1B}[?25h\u{1B}[?1049l")
    var settings = before
    unsafe tcsetattr(0, TCSADRAIN, &settings)
  }

  /// Draws the lines, in one write, so that nothing flickers.
  func draw(_ lines: [TopView.Line]) throws {
    let style = Style.output
    var text: TerminalText = "\u{1B}[H"
    for (number, line) in lines.enumerated() {
      if number > 0 { text += "\r\n" }
      text += Self.painted(line, style) + "\u{1B}[K"
    }
    try Output.write(text + "\u{1B}[J")
  }

  private static func painted(_ line: TopView.Line, _ style: Style) -> TerminalText {
    switch line.role {
    case .summary, .row: TerminalText(line.text)
    case .alert: style.paint(line.text, .yellow)
    case .titles: style.paint(line.text, .bold)
    case .ended, .keys: style.paint(line.text, .faint)
    }
  }
}

/// Signals as bytes in a pipe, which a poll waits for together with other things.
private final class SignalPipe {
  let reading: Int32
  private let writing: Int32
  private static let target = Atomic<Int32>(-1)

  init(_ numbers: [Int32]) throws {
    var ends: [Int32] = [-1, -1]
    guard unsafe pipe(&ends) == 0 else {
      throw Failure(
        "No pipe can be made: \(Errno.text(errno)).", remedy: "Close other programs.",
        name: "SYSTEM")
    }
    for end in ends {
      _ = fcntl(end, F_SETFD, FD_CLOEXEC)
      _ = fcntl(end, F_SETFL, O_NONBLOCK)
    }
    (reading, writing) = (ends[0], ends[1])
    Self.target.store(writing, ordering: .sequentiallyConsistent)
    for number in numbers {
      var action = sigaction()
      unsafe action.__sigaction_handler.sa_handler = { number in
        // Only what a signal handler may do: system calls.
        var byte = UInt8(truncatingIfNeeded: number)
        let saved = errno
        _ = unsafe write(SignalPipe.target.load(ordering: .relaxed), &byte, 1)
        switch number {
        // Noted here, for a terminal that takes no more would keep the program from looking.
        case SIGINT, SIGTERM, SIGHUP: Interrupt.note(number)
        // Control-backslash is the user at the keyboard, too.
        case SIGQUIT: Interrupt.note(SIGINT)
        default: break
        }
        errno = saved
      }
      unsafe sigaction(number, &action, nil)
    }
  }

  deinit {
    Self.target.store(-1, ordering: .sequentiallyConsistent)
    close(reading)
    close(writing)
  }

  /// The signals that came since the last look.
  func take() -> Set<Int32> {
    var room = [UInt8](repeating: 0, count: 64)
    let count = unsafe read(reading, &room, room.count)
    return Set(room.prefix(max(0, count)).map { Int32($0) })
  }
}
