import BinaryComm
import BusJSON
import BusSystem
import Glibc

/// What a check plays on: a router, a run directory, and processes of this very program.
final class CheckEnvironment {
  let directory: String
  private let common: CommonOptions
  private var router: ChildProcess?
  private let routerOptions: [String]
  private let isOurs: Bool
  private let memoryBefore: UInt64
  private var filesBefore = 0
  private var children: [ChildProcess] = []
  /// No scenario takes longer; a hang is a failure.
  let watchdog = Deadline(after: .seconds(60))

  /// Starts a router in a temporary run directory, or uses that of `--dir`.
  init(_ common: CommonOptions, router options: [String] = []) throws {
    self.common = common
    routerOptions = options
    memoryBefore = LeakCheck.mappedMemory
    isOurs = common.dir == nil
    directory = try common.dir ?? LeakCheck.makeDirectory()
    guard isOurs else { return }
    try startRouter()
    filesBefore = router.map { LeakCheck.memoryFiles(of: $0.pid) } ?? 0
  }

  /// Starts the router; also after it was killed.
  func startRouter() throws {
    let child = try ChildProcess(
      ProcessEnvironment.sibling("msg_router"), ["--dir", directory] + routerOptions + quiet,
      output: .pipe)
    router = child
    var lines = LineReader(child.output, limit: 1 << 20)
    while let line = try lines.next(.seconds(20)) {
      common.log(.debug, "router: \(line)")
      if line.contains("ready") { return }
    }
    throw Failure(
      "The check's router did not start.", remedy: "Its own message above says why.",
      exitCode: child.wait(.seconds(1))?.shellStatus ?? 1, name: "ROUTER")
  }

  /// Kills the router as `kill -9` does.
  func killRouter() {
    router?.kill(SIGKILL)
    router?.wait()
  }

  /// Starts this program with a hidden or an ordinary command.
  func start(_ name: String, _ words: [String], input: ChildProcess.Stream = .inherited) throws
    -> ChildOutput
  {
    ChildOutput(name, try launch(words, input: input))
  }

  /// As `start`, for output that is not lines.
  func start(_ name: String, _ words: [String], bytes: @escaping ([UInt8]) -> Void) throws
    -> ChildOutput
  {
    ChildOutput(name, try launch(words, input: .inherited), bytes: bytes)
  }

  /// What children are told, so that only verdicts are printed.
  private var quiet: [String] {
    common.logLevel <= .debug ? ["--log-level", "debug"] : ["--log-level", "error"]
  }

  private func launch(_ words: [String], input: ChildProcess.Stream) throws -> ChildProcess {
    common.log(.debug, "starting bcs \(words.joined(separator: " "))")
    let child = try ChildProcess(
      System.programPath, words + ["--dir", directory] + common.trust.words + quiet,
      output: .pipe, input: input)
    children.append(child)
    return child
  }

  /// Waits until children have said a word.
  func await(_ word: String, of taps: [ChildOutput], among all: [ChildOutput]) throws {
    let isDone = try ChildOutput.pump(all, watchdog) {
      taps.allSatisfy { $0.has(word) } || taps.contains { $0.hasEnded && !$0.has(word) }
    }
    guard isDone, taps.allSatisfy({ $0.has(word) }) else {
      let late = taps.filter { !$0.has(word) }.map(\.name).joined(separator: ", ")
      throw Failure(
        "\(late) did not say '\(word)' in time.", remedy: "Run again with --log-level debug.",
        name: "CHECK")
    }
  }

  /// Ends everything and says what was left behind.
  func end() throws -> CheckResult? {
    for child in children where child.poll() == nil {
      child.kill(SIGCONT)
      child.kill(SIGKILL)
      child.wait()
    }
    guard isOurs, let router else { return nil }
    let held = try whatTheRouterHolds()
    router.kill(SIGTERM)
    let end = router.wait(.seconds(10))
    if end == nil { router.kill(SIGKILL) }
    // The key stays for the next router, as it does after every end.
    let files = LeakCheck.entries(of: directory).filter { $0 != "router.lock" }
    LeakCheck.remove(directory)
    let grown = Int(LeakCheck.mappedMemory) - Int(memoryBefore)
    var problems: [String] = []
    if end != .exit(0) {
      problems.append("the router ended with \(end.map { "\($0)" } ?? "a hang")")
    }
    if !files.isEmpty { problems.append("files left: \(files.joined(separator: ", "))") }
    if held.streams > 0 { problems.append("\(held.streams) streams left in the router") }
    if held.files > filesBefore {
      problems.append("\(held.files - filesBefore) memory files left in the router")
    }
    if grown > 0 { problems.append("\(grown) bytes of shared memory left") }
    return CheckResult(
      "left behind", "router",
      [
        ("files", .integer(files.count)), ("streams", .integer(held.streams)),
        ("memory_files", .integer(max(0, held.files - filesBefore))),
        ("shared_bytes", .integer(max(0, grown))),
      ], problem: problems.isEmpty ? nil : problems.joined(separator: "; "))
  }

  /// Rows of the router about itself, its agents, its streams or their readers.
  func rows(_ what: BusQuery) throws -> [[String: String]] {
    var options = common
    options.dir = directory
    let session = try Session.open(options, name: "cli.check.\(getpid())")
    defer { session.agent.close() }
    return try session.agent.query(what).filter { $0["name"] != session.agent.name }
  }

  /// What the router still holds once it had time to see that all agents are gone.
  private func whatTheRouterHolds() throws -> (streams: Int, files: Int) {
    guard let router, router.poll() == nil else { return (0, 0) }
    let limit = Deadline(after: .seconds(5))
    while true {
      let streams = try rows(.streams).count
      let files = LeakCheck.memoryFiles(of: router.pid)
      if (streams == 0 && files <= filesBefore) || limit.isOver { return (streams, files) }
      System.sleep(.milliseconds(20))
    }
  }
}
