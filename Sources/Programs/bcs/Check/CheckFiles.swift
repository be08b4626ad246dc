import ArgumentParser
import BinaryComm
import BusCrypto
import BusJSON
import BusSystem
import Glibc

/// Sends every file of a directory through the bus and compares what comes out.
struct CheckFiles: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "files", abstract: "Send every file of a directory to three readers and compare.",
    discussion: """
      One process publishes, two lossless readers and one `bcs sub --raw` receive; then the same \
      while one of the readers is stopped for two seconds. A directory with fewer than 1,000 \
      files is filled up with generated ones (elsewhere, the directory stays as it is).

      Example:
        bcs check files Sources
      """)

  @OptionGroup var common: CommonOptions
  @Argument(help: "The directory.", completion: .directory) var directory: String
  @Option(help: "The seed of the generated files (default: a fresh one).") var seed: UInt64?

  private static let filesLeast = 1000

  func run() throws {
    Interrupt.beGraceful()
    var roots = [directory]
    let own = try FileTree(roots: roots).files.count
    let generated = try LeakCheck.makeDirectory()
    defer { LeakCheck.remove(generated) }
    if own < Self.filesLeast {
      let seed = seed ?? UInt64.random(in: .min ... .max)
      common.log(.notice, "\(own) files in \(directory); the others are generated, seed \(seed)")
      try FileTree.generate(at: generated, count: Self.filesLeast - own, seed: seed)
      roots.append(generated)
    }
    let oracle = try FileOracle(FileTree(roots: roots))
    var verdicts = CheckResults(common)
    let stage = try CheckEnvironment(common, router: ["--log-most", "\(oracle.logBytesMax)"])
    let outcome = Result {
      try FileScenario(name: "files", stops: false, roots: roots, oracle: oracle)
        .run(stage, &verdicts)
      try FileScenario(
        name: "files with a stopped reader", stops: true, roots: roots, oracle: oracle
      )
      .run(stage, &verdicts)
    }
    let left = try stage.end()
    try outcome.get()
    if let left { try verdicts.add(left) }
    try verdicts.conclude()
  }
}

/// What has to come out, from the files themselves.
struct FileOracle {
  /// The report of each file, in order.
  let lines: [String]
  let bytes: Int
  /// The digest of all files one after another.
  let whole: String
  /// The digest of the reports: equal names, order and bytes.
  let manifest: String

  /// A largest log that the files do not fit into, so that a stopped reader stops the publisher.
  var logBytesMax: Int {
    var most = 64 << 10
    while most * 16 <= bytes && most < 4 << 20 { most *= 2 }
    return most
  }

  init(_ tree: FileTree) throws {
    var lines: [String] = []
    var bytes = 0
    var whole = try SHA256()
    var manifest = try SHA256()
    for file in tree.files {
      let body = try Input.file(file.path, limit: MessageSender.bodyMax)
      var digest = try SHA256()
      try digest.update(body)
      try whole.update(body)
      let line = FileLine.text(hash: try digest.finish(), bytes: body.count, name: file.name)
      try manifest.update(Array(line.utf8))
      lines.append(String(line.dropLast()))
      bytes += body.count
    }
    self.lines = lines
    self.bytes = bytes
    self.whole = FileLine.hex(try whole.finish())
    self.manifest = FileLine.hex(try manifest.finish())
  }
}

/// One run of all files through three readers.
struct FileScenario {
  let name: String
  /// Whether a reader is stopped for two seconds in the middle.
  let stops: Bool
  let roots: [String]
  let oracle: FileOracle

  func run(_ stage: CheckEnvironment, _ verdicts: inout CheckResults) throws {
    let channel = "check-\(getpid())-\(stops ? 2 : 1)"
    let readers = try (1...2).map { number in
      try stage.start(
        "reader \(number)",
        [
          "check", "role-read-files", "--channel", channel, "--reader",
          "\(channel).reader\(number)",
        ])
    }
    let stream = try RawDigest()
    let raw = try stage.start(
      "bcs sub --raw",
      ["sub", "\(channel).data", "--raw", "--lossless", "--name", "\(channel).sub"]
    ) { bytes in stream.take(bytes) }
    let all = readers + [raw]
    try stage.await("ready", of: readers, among: all)
    try awaitSubscription(stage, "\(channel).sub")
    let publisher = try stage.start(
      "publisher",
      ["check", "role-publish-files", "--channel", channel] + roots.flatMap { ["--root", $0] })
    if stops { try stop(readers[0], stage, among: all + [publisher]) }
    let isDone = try ChildOutput.pump(all + [publisher], stage.watchdog) {
      if publisher.hasEnded && !publisher.has("published") { return true }
      return publisher.hasEnded && readers.allSatisfy { $0.hasEnded }
        && (stream.bytes >= oracle.bytes || raw.hasEnded)
    }
    raw.child.kill(SIGINT)
    let rawEnded = try ChildOutput.pump([raw], Deadline(after: .seconds(5))) { raw.hasEnded }
    try verdicts.add(judge(publisher, hung: !isDone))
    for reader in readers { try verdicts.add(judge(reader)) }
    try verdicts.add(judge(raw, stream, ended: rawEnded))
  }

  /// `bcs sub` prints nothing before the first message: the router knows when it is there.
  private func awaitSubscription(_ stage: CheckEnvironment, _ agent: String) throws {
    while !stage.watchdog.isOver {
      let rows = try stage.rows(.agents)
      if rows.contains(where: { $0["name"] == agent && $0["subscriptions"] == "1" }) { return }
      System.sleep(.milliseconds(10))
    }
  }

  private func stop(_ reader: ChildOutput, _ stage: CheckEnvironment, among all: [ChildOutput])
    throws
  {
    _ = try ChildOutput.pump(all, stage.watchdog) { reader.lines.count > 50 || reader.hasEnded }
    reader.child.kill(SIGSTOP)
    _ = try ChildOutput.pump(all, Deadline(after: .seconds(2))) { false }
    reader.child.kill(SIGCONT)
  }

  private func judge(_ publisher: ChildOutput, hung: Bool) -> CheckResult {
    let facts = publisher.facts("published")
    var problem: String?
    if hung { problem = "the scenario hung" }
    if facts["files"] != oracle.lines.count { problem = problem ?? "it did not publish every file" }
    if stops && facts["waited_ms"] ?? 0 < 500 {
      problem = problem ?? "it did not wait for the reader that was stopped for 2 s"
    }
    return CheckResult(
      name, publisher.name,
      ["files", "parts", "bytes", "waited_ms"].map { ($0, .integer(facts[$0] ?? 0)) },
      problem: problem)
  }

  private func judge(_ reader: ChildOutput) throws -> CheckResult {
    let lines = reader.lines.filter { $0.hasPrefix("file ") }
    var manifest = try SHA256()
    for line in lines { try manifest.update(Array((line + "\n").utf8)) }
    let hash = FileLine.hex(try manifest.finish())
    let facts = reader.facts("end")
    var problem: String?
    if hash != oracle.manifest {
      let place = zip(lines, oracle.lines).enumerated().first { $0.element.0 != $0.element.1 }
      problem =
        place.map { "file \($0.offset): \($0.element.0), sent \($0.element.1)" }
        ?? "\(lines.count) files came, \(oracle.lines.count) were sent"
    } else if reader.child.wait(.seconds(5)) != .exit(0) {
      problem = "it did not end with code 0"
    }
    return CheckResult(
      name, reader.name,
      [
        ("files", .integer(lines.count)), ("bytes", .integer(facts["bytes"] ?? 0)),
        ("sha256", .text(hash)),
      ], problem: problem)
  }

  private func judge(_ raw: ChildOutput, _ stream: RawDigest, ended: Bool) throws -> CheckResult {
    let hash = try stream.finish()
    var problem: String?
    if hash != oracle.whole { problem = "the bytes differ: \(oracle.whole) was sent" }
    if !ended || raw.child.wait(.seconds(5)) != .exit(128 + SIGINT) {
      problem = problem ?? "it did not end with code 130 at SIGINT"
    }
    return CheckResult(
      name, raw.name, [("bytes", .integer(stream.bytes)), ("sha256", .text(hash))],
      problem: problem)
  }
}

/// The digest of a child's output.
final class RawDigest {
  private var digest: SHA256
  private(set) var bytes = 0
  private var isBroken = false

  init() throws { digest = try SHA256() }

  func take(_ piece: [UInt8]) {
    bytes += piece.count
    do { try digest.update(piece) } catch { isBroken = true }
  }

  func finish() throws -> String {
    var whole = try SHA256()
    swap(&digest, &whole)
    let hash = FileLine.hex(try whole.finish())
    return isBroken ? "none" : hash
  }
}
