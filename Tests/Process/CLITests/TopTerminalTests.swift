import BusTestSupport
import Foundation
import ProcessSupport
import Testing

/// `bcs top` on a terminal that a script plays.
@Suite(
  "bcs top on a terminal", .serialized,
  .enabled(
    if: FileManager.default.isExecutableFile(atPath: "/usr/bin/python3"), "needs python3"))
struct TopTerminalTests {
  /// Runs the program on a terminal of its own and follows orders, one a line.
  ///
  /// Orders: what to wait for on the screen (`see`, `gone`), keys, sizes, signals. At the end it
  /// says what state the terminal was left in.
  private static let player = """
    import fcntl, os, pty, re, select, signal, struct, sys, termios, time

    pid, master = pty.fork()
    if pid == 0:
        os.environ['TERM'] = 'xterm'
        os.execv(sys.argv[1], sys.argv[1:])

    def size(columns, rows):
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))

    seen = b''
    status = None

    def pump():
        global seen
        if select.select([master], [], [], 0.05)[0]:
            try:
                seen += os.read(master, 65536)
            except OSError:
                pass

    def screen():
        # Each picture begins at home; the last whole one is what stands there.
        parts = seen.split(b'\\x1b[H')
        whole = [part for part in parts[1:] if b'\\x1b[J' in part] or [b'']
        text = re.sub(rb'\\x1b\\[[0-9;?]*[a-zA-Z]', b'', whole[-1])
        return text.decode('utf-8', 'replace').replace('\\r', '')

    def ended():
        global status
        if status is None:
            done, code = os.waitpid(pid, os.WNOHANG | os.WUNTRACED)
            if done and not os.WIFSTOPPED(code):
                status = code
        return status is not None

    def stopped():
        with open('/proc/%d/stat' % pid) as file:
            return file.read().rsplit(')', 1)[1].split()[0] == 'T'

    def raw():
        return not termios.tcgetattr(master)[3] & termios.ICANON

    def wait(what):
        end = time.time() + 30
        while not what():
            pump()
            if time.time() > end:
                print('never:', screen(), repr(seen[-300:]), flush=True)
                os.kill(pid, signal.SIGKILL)
                sys.exit(1)

    for line in sys.stdin:
        order, _, rest = line.rstrip('\\n').partition(' ')
        if order == 'size': size(*map(int, rest.split()))
        elif order == 'see': wait(lambda: rest in screen())
        elif order == 'gone': wait(lambda: rest not in screen())
        elif order == 'keys': os.write(master, rest.encode().decode('unicode_escape').encode())
        elif order == 'signal': os.kill(pid, getattr(signal, rest))
        elif order == 'kill': os.kill(int(rest), signal.SIGKILL)
        elif order == 'stopped': wait(stopped); wait(lambda: not raw())
        elif order == 'raw': wait(raw)
        elif order == 'end': wait(ended)
    pump()
    print('left' if seen.rstrip().endswith(b'\\x1b[?1049l') else 'not left')
    print('cursor' if seen.rfind(b'\\x1b[?25h') > seen.rfind(b'\\x1b[?25l') else 'no cursor')
    print('entered %d' % seen.count(b'\\x1b[?1049h'))
    print('exit %d' % os.waitstatus_to_exitcode(status))
    print(max(len(line) for line in screen().split('\\n')))
    """

  /// What the player printed after these orders.
  private func play(_ bus: CLIBus, _ orders: [String]) throws -> [String] {
    let bcs = try Programs.path("bcs")
    let call = [bcs, "top", "--dir", bus.directory, "--interval", "0.2"]
    let result = try Child.run(
      "/usr/bin/python3", ["-c", Self.player] + call,
      input: .bytes(Array((orders.joined(separator: "\n") + "\n").utf8)), timeout: .seconds(120))
    #expect(result.succeeded, "\(result)")
    return result.stdout.split(separator: "\n").map(String.init)
  }

  private func withTraffic(_ body: (CLIBus) throws -> Void) throws {
    let dir = try TemporaryDirectory("top")
    let bus = try CLIBus(dir.path)
    let reader = try bus.subscriber("alerts.>", "--raw", "--name", "reader")
    let publisher = try bus.start(
      "pub", "alerts.disk", "x", "--count", "1000000", "--rate", "200", "--name", "feed")
    try body(bus)
    publisher.kill()
    reader.kill()
  }

  @Test("it draws, sorts, filters, pauses and gives the terminal back at q")
  func keys() throws {
    try withTraffic { bus in
      let printed = try play(
        bus,
        [
          "size 80 24", "see feed", "see reader", "see q quit", "keys s", "see s sort: bytes",
          "see vBYTE/S", "keys r", "see ^BYTE/S", "keys /", "see filter: _", "keys fee\\r",
          "gone reader", "see / 'fee'", "keys \\x1b", "see reader", "keys p", "see PAUSED",
          "keys p", "gone PAUSED", "keys q", "end",
        ])
      #expect(printed.prefix(4) == ["left", "cursor", "entered 1", "exit 0"])
      #expect(printed.last.flatMap(Int.init) ?? 999 <= 80)
    }
  }

  @Test("it follows the window, and says what size it needs")
  func sizes() throws {
    try withTraffic { bus in
      let printed = try play(
        bus,
        [
          "size 80 24", "see q quit", "gone CATEGORY", "size 200 50", "see CATEGORY",
          "size 50 24", "see too small: 50 x 24, 60 x 8 needed", "size 80 4",
          "see too small: 80 x 4, 60 x 8 needed", "size 60 8", "see q quit", "keys q", "end",
        ])
      #expect(printed.prefix(4) == ["left", "cursor", "entered 1", "exit 0"])
    }
  }

  @Test("control-Z gives the terminal back and fg takes it again", arguments: ["keys", "signal"])
  func stopping(way: String) throws {
    try withTraffic { bus in
      let stop = way == "keys" ? "keys \\x1a" : "signal SIGTSTP"
      let printed = try play(
        bus,
        [
          "size 80 24", "see feed", stop, "stopped", "signal SIGCONT", "raw", "keys /",
          "see filter: _", "keys \\r", "keys q", "end",
        ])
      #expect(printed.prefix(2) == ["left", "cursor"] && printed.dropFirst(3).first == "exit 0")
      #expect(printed.dropFirst(2).first != "entered 1")
    }
  }

  @Test(
    "whatever signal ends it, the terminal is as before and the code is that of the signal",
    arguments: [
      ("keys \\x03", 130), ("signal SIGTERM", 143), ("signal SIGINT", 130), ("signal SIGHUP", 129),
      ("keys \\x1c", 130),
    ])
  func ending(way: String, code: Int) throws {
    try Watchdog.bounding("an end of bcs top", seconds: 180) {
      try withTraffic { bus in
        let printed = try play(bus, ["size 80 24", "see feed", way, "end"])
        #expect(printed.prefix(4) == ["left", "cursor", "entered 1", "exit \(code)"])
      }
    }
  }

  @Test("without its router it says so, and the figures go on")
  func routerGone() throws {
    let dir = try TemporaryDirectory("top")
    let bus = try CLIBus(dir.path)
    let reader = try bus.subscriber("alerts.>", "--raw", "--name", "reader")
    let publisher = try bus.start(
      "pub", "alerts.disk", "x", "--count", "1000000", "--rate", "200", "--name", "feed")
    let printed = try play(
      bus,
      [
        "size 80 24", "see feed", "see balance holds", "kill \(bus.routerPID)",
        "see router gone for", "see figures are live", "see router gone for 1 s", "see feed",
        "see reader", "keys q", "end",
      ])
    #expect(printed.prefix(4) == ["left", "cursor", "entered 1", "exit 0"])
    publisher.kill()
    reader.kill()
  }
}
