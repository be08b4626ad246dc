import BinaryComm
import BusSystem
import BusText
import BusWire
import Glibc

/// The bus at work: a router, and commands of bcs as a user would type them, each one printed.
struct Demo {
  let directory: String
  let router: [String]
  let common: CommonOptions

  /// Runs the demonstration, then stays with the router until it or the user ends it.
  func run() throws {
    Interrupt.beGraceful()
    let router = try ChildProcess(
      ProcessEnvironment.sibling("msg_router"), self.router, output: .pipe)
    var lines = LineReader(router.output, limit: 1 << 20)
    do {
      try waitUntilReady(router, &lines)
      try show()
      try say("\nThe router goes on. Try in another terminal:")
      for call in ["bcs sub 'alerts.>'", "bcs pub alerts.disk 'almost full'", "bcs agent"] {
        try say("  \(call)\(directoryOption)")
      }
      try say("Ctrl-C ends it.")
      try stay(router, &lines)
    } catch {
      end(router)
      throw error
    }
  }

  private func waitUntilReady(_ router: ChildProcess, _ lines: inout LineReader) throws {
    while let line = try lines.next(.seconds(20)) {
      try say(line)
      if line.contains("ready") {
        // The report goes on with the socket, the arena and what this machine does not give.
        while let more = try lines.next(.milliseconds(200)) { try say(more) }
        return
      }
    }
    guard let end = router.wait(.seconds(2)) else {
      throw Failure(
        "The router did not say that it is ready within 20 s.",
        remedy: "Look at its messages above.", exitCode: 4, name: "TIMEOUT")
    }
    throw Failure(
      "The router did not start.", remedy: "Its own message above says why.",
      exitCode: end.shellStatus, name: "ROUTER")
  }

  private func show() throws {
    let reader = try start(["sub", "alerts.>", "--count", "2"], inBackground: true)
    try wait(for: "alerts.>") { try $0.query(.agents).contains { $0["subscriptions"] == "1" } }
    try run("pub", "alerts.disk", "almost full", "--count", "2")
    try finish(reader)
    let service = try start(
      ["reply", "upper", "--name", "upper", "--exec", "tr", "a-z", "A-Z"], inBackground: true)
    defer { end(service) }
    try wait(for: "upper") { try Self.answers("upper", $0) }
    try run("req", "upper", "hello")
    let idle = try start(["sub", "load.>", "--raw", "--name", "viewer"], inBackground: true)
    defer { end(idle) }
    let writer = try start(
      ["pub", "load.cpu", "--count", "1000", "--rate", "20", "--name", "load", "--empty"],
      inBackground: true)
    defer { end(writer) }
    try wait(for: "load.>") { try !$0.query(.attachments).isEmpty }
    try run("agent")
    try run("channel")
    try say("\nThe commands in the background end here.")
  }

  /// Waits until the router knows what the next command needs.
  private func wait(for what: String, _ isThere: (Agent) throws -> Bool) throws {
    let session = try Session.open(common, name: "cli.demo.\(getpid())")
    defer { session.agent.close() }
    let limit = Deadline(after: .seconds(10))
    while try Session.ask(until: limit, { try isThere(session.agent) }) != true {
      try Interrupt.check()
      guard !limit.isOver else {
        throw Failure(.timeout, "The command above did not get ready: \(what) is not there.")
      }
      System.sleep(.milliseconds(20))
    }
  }

  private static func answers(_ service: String, _ agent: Agent) throws -> Bool {
    var messenger = try agent.messenger()
    defer { messenger.close() }
    let recipient = try messenger.out.service(service)
    let limit = Deadline(after: .seconds(5))
    while !messenger.out.isResolved(recipient), !limit.isOver {
      _ = try messenger.poll { _, _, _ in }
      _ = try messenger.wait(timeout: .milliseconds(5))
    }
    return !messenger.out.responders(of: recipient).isEmpty
  }

  /// Prints a command and runs it to its end, its output where ours goes.
  private func run(_ words: String...) throws {
    try finish(try start(words, inBackground: false))
  }

  private func start(_ words: [String], inBackground: Bool) throws -> ChildProcess {
    let shown = directoryOption.isEmpty ? words : with(words)
    let call = shown.map(quoted).joined(separator: " ")
    try say("\n$ bcs \(call)\(inBackground ? " &" : "")")
    return try ChildProcess(System.programPath, with(words))
  }

  private func finish(_ child: ChildProcess) throws {
    while child.wait(.milliseconds(200)) == nil { try Interrupt.check() }
    let status = child.wait().shellStatus
    guard status == 0 else {
      throw Failure(
        "The command above ended with code \(status).", remedy: "Its own message says why.",
        exitCode: status, name: "DEMO")
    }
  }

  private func stay(_ router: ChildProcess, _ lines: inout LineReader) throws {
    while router.poll() == nil {
      if Interrupt.isAsked { break }
      if lines.hasEnded {
        System.sleep(.milliseconds(100))
      } else if let line = try? lines.next(.milliseconds(200)) {
        try say(line)
      }
    }
    guard Interrupt.isAsked else {
      throw Failure(
        "The router ended.", remedy: "Its own message above says why.",
        exitCode: router.wait().shellStatus, name: "ROUTER")
    }
    end(router)
  }

  private func end(_ child: ChildProcess) {
    child.kill(SIGTERM)
    if child.wait(.seconds(5)) == nil { child.kill(SIGKILL) }
    child.wait()
  }

  private var directoryOption: String {
    router.contains("--dir") ? " --dir \(quoted(directory))" : ""
  }

  /// The call with the run directory, before what a command takes to its end.
  private func with(_ words: [String]) -> [String] {
    words.prefix(1) + ["--dir", directory] + words.dropFirst()
  }

  private func quoted(_ word: String) -> String {
    let isPlain = word.allSatisfy { $0.isLetter || $0.isNumber || "-_./=:".contains($0) }
    return isPlain ? word : "'\(word)'"
  }

  private func say(_ line: String) throws { try Output.write(.block(line) + "\n") }
}
