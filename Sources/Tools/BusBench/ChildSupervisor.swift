import BusSystem
import Foundation
import Glibc
import Synchronization

/// Every process and folder that this program has made, so that none is left behind: not on an
/// error, not on Ctrl-C.
enum ChildSupervisor {
  private struct Resources {
    var children: [Int32: Int32] = [:]  // pid → the signal that ends it
    var folders: Set<String> = []
  }
  private static let resources = Mutex(Resources())
  private static let wakeUp = Atomic<Int32>(-1)

  /// Starts a program whose standard input and output are ours.
  ///
  /// - Parameters:
  ///   - path: the program.
  ///   - arguments: with the program's own name first.
  ///   - environment: all of its variables, as `NAME=value`.
  ///   - errors: the file for its standard error; nil: ours.
  ///   - endSignal: what ends it when this program is interrupted.
  /// - Returns: the running child, which nobody has waited for.
  /// - Throws: `BenchError.system` when it cannot be started.
  static func start(
    _ path: String, _ arguments: [String], environment: [String], errors: String? = nil,
    endSignal: Int32
  ) throws(BenchError) -> ChildProcess {
    let input = try PipeEnds.make()
    let output = try PipeEnds.make()
    defer {
      close(input.reading)
      close(output.writing)
    }
    let (pid, error) = launch(endSignal) {
      spawn(path, arguments, environment, input: input.reading, output: output.writing, errors)
    }
    guard error == 0 else {
      close(input.writing)
      close(output.reading)
      throw .system("start of \(path)", error: error)
    }
    return ChildProcess(pid: pid, input: input.writing, output: output.reading)
  }

  /// Starts a program on a terminal of 80 × 24 characters that this program plays.
  static func startOnTerminal(
    _ path: String, _ arguments: [String], environment: [String], endSignal: Int32
  ) throws(BenchError) -> ChildProcess {
    let terminal = try PseudoTerminal()
    defer { close(terminal.theirs) }
    let keys = fcntl(terminal.ours, F_DUPFD_CLOEXEC, 0)
    let (pid, error) = launch(endSignal) {
      spawn(
        path, arguments, environment, input: terminal.theirs, output: terminal.theirs, nil)
    }
    guard error == 0 else {
      close(keys)
      close(terminal.ours)
      throw .system("start of \(path)", error: error)
    }
    return ChildProcess(pid: pid, input: keys, output: terminal.ours)
  }

  /// Starts a child under the lock, so that an interrupt finds it or prevents it.
  private static func launch(
    _ endSignal: Int32, _ start: () -> (pid: Int32, error: Int32)
  ) -> (pid: Int32, error: Int32) {
    resources.withLock { resources in
      let (pid, error) = start()
      if error == 0 { resources.children[pid] = endSignal }
      return (pid, error)
    }
  }

  /// How a child ended; nil while it runs or when it was waited for before.
  static func end(of pid: Int32) -> ChildEnd? {
    resources.withLock { resources in
      guard resources.children[pid] != nil, let end = ChildEnd.of(pid) else { return nil }
      resources.children[pid] = nil
      return end
    }
  }

  /// Sends a signal to a child that was not waited for yet.
  static func signal(_ pid: Int32, _ number: Int32) {
    resources.withLock { resources in
      if resources.children[pid] != nil { _ = kill(pid, number) }
    }
  }

  /// Makes a folder that only this user may enter.
  static func makeFolder() throws(BenchError) -> String {
    let base = ProcessEnvironment.variable("TMPDIR") ?? "/tmp"
    var template = Array("\(base)/bcs-bench-XXXXXX".utf8CString)
    let error: Int32 = resources.withLock { resources in
      guard unsafe mkdtemp(&template) != nil else { return errno }
      resources.folders.insert(text(template))
      return 0
    }
    guard error == 0 else { throw .system("mkdtemp in \(base)", error: error) }
    return text(template)
  }

  /// Takes over a folder that another process made.
  static func adopt(folder: String) {
    resources.withLock { resources in _ = resources.folders.insert(folder) }
  }

  /// Removes a folder made by `makeFolder()` or taken over.
  static func removeFolder(_ path: String) {
    resources.withLock { resources in
      guard resources.folders.remove(path) != nil else { return }
      try? FileManager.default.removeItem(atPath: path)
    }
  }

  /// From now on Ctrl-C, SIGTERM and SIGHUP end this process with 128 and their number.
  ///
  /// All children end and all folders go before. SIGHUP that was ignored stays so, as under
  /// `nohup`.
  static func endOnSignals() throws(BenchError) {
    _ = Glibc.signal(SIGPIPE, SIG_IGN)
    let pipe = try PipeEnds.make()
    guard wakeUp.exchange(pipe.writing, ordering: .sequentiallyConsistent) < 0 else {
      close(pipe.reading)
      return
    }
    let reading = pipe.reading
    Thread.detachNewThread {
      var byte: UInt8 = 0
      while unsafe read(reading, &byte, 1) != 1 {}
      endAll()
      _exit(128 + Int32(byte))
    }
    for number in [SIGINT, SIGTERM, SIGHUP] where number != SIGHUP || !isIgnored(number) {
      _ = Glibc.signal(number) { number in
        // Only what a signal handler may do: one system call.
        var byte = UInt8(truncatingIfNeeded: number)
        let saved = errno
        _ = unsafe write(ChildSupervisor.wakeUp.load(ordering: .relaxed), &byte, 1)
        errno = saved
      }
    }
  }

  private static func isIgnored(_ number: Int32) -> Bool {
    var action = sigaction()
    unsafe sigaction(number, nil, &action)
    return unsafe unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == 1
  }

  private static func endAll() {
    resources.withLock { resources in
      for (pid, number) in resources.children { _ = kill(pid, number) }
      for pid in resources.children.keys { waitOrKill(pid) }
      for folder in resources.folders { try? FileManager.default.removeItem(atPath: folder) }
    }
  }

  /// Waits up to 3 s for a child that has its signal, then kills it.
  private static func waitOrKill(_ pid: Int32) {
    var status: Int32 = 0
    for _ in 0..<300 {
      if unsafe waitpid(pid, &status, WNOHANG) != 0 { return }
      usleep(10_000)
    }
    _ = kill(pid, SIGKILL)
    _ = unsafe waitpid(pid, &status, 0)
  }

  private static func text(_ characters: [CChar]) -> String {
    String(decoding: characters.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

private struct PseudoTerminal {
  let ours: Int32
  let theirs: Int32

  init() throws(BenchError) {
    // posix_openpt and its kin, and the numbers of these calls, are missing from the Glibc module.
    let (lock, openPeer): (UInt, UInt) = (0x4004_5431, 0x5441)  // TIOCSPTLCK, TIOCGPTPEER
    let flags = O_RDWR | O_NOCTTY | O_CLOEXEC
    ours = unsafe open("/dev/ptmx", flags)
    var isLocked: Int32 = 0
    guard ours >= 0, unsafe ioctl(ours, lock, &isLocked) == 0 else {
      throw .system("pseudo-terminal", error: errno)
    }
    theirs = ioctl(ours, openPeer, flags)
    var size = winsize(ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0)
    guard theirs >= 0, unsafe ioctl(theirs, UInt(TIOCSWINSZ), &size) == 0 else {
      throw .system("pseudo-terminal", error: errno)
    }
  }
}

extension PipeEnds {
  /// A new one; throws what the program says when there is none.
  fileprivate static func make() throws(BenchError) -> PipeEnds {
    do throws(SystemError) {
      return try PipeEnds()
    } catch {
      throw .system(error.call, error: error.number)
    }
  }
}

/// Starts a process in a group of its own: Ctrl-C reaches this program only, which then ends its
/// children in order.
private func spawn(
  _ path: String, _ arguments: [String], _ environment: [String], input: Int32, output: Int32,
  _ errors: String?
) -> (pid: Int32, error: Int32) {
  let file = errors.map { unsafe open($0, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600) }
  if let file, file < 0 { return (-1, errno) }
  defer { if let file { close(file) } }
  let (pid, code) = Spawn.start(
    [path] + arguments.dropFirst(), environment: environment,
    Spawn.Descriptors(input: input, output: output, errors: file ?? -1), .leadsGroup)
  return (pid, code)
}
