import Glibc

/// The bus at work: a router, and the commands of bcs run one after another as a user would.
struct Demonstration {
  let directory: String
  let router: [String]

  /// Runs the demonstration, then stays with the router until it or the user ends it.
  func run() throws {
    Interrupt.beGraceful()
    let router = try ChildProcess(
      System.sibling("msg_router"), self.router, output: .pipe)
    var lines = LineReader(router.output)
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
      exitCode: end.status, name: "ROUTER")
  }

  private func show() throws {
    let reader = try start("sub", "alerts.>", "--count", "3", "--timeout", "20")
    try waitForReader()
    try run("pub", "alerts.disk", "almost full {{count}}", "--count", "3")
    try finish(reader)
    let idle = try ChildProcess(
      System.programPath, with(["sub", "alerts.>", "--name", "watcher"]), output: .pipe)
    defer { end(idle) }
    try waitForReader()
    let writer = try ChildProcess(
      System.programPath,
      with([
        "pub", "alerts.load", "{{count}}", "--count", "1000", "--rate", "100", "--name", "load",
      ]),
      output: .pipe)
    defer { end(writer) }
    try run("agent")
    try waitForChannel()
    try run("channel")
    end(writer)
    try measure()
  }

  private func measure() throws {
    for what in ["latency", "throughput"] {
      let child = try start("bench", what, "--runs", "1", "--duration", "0.5")
      while child.wait(.milliseconds(200)) == nil { try Interrupt.check() }
      // A machine too busy to be measured is no reason to end the demonstration.
      if child.wait() != .code(0) { try say("(no figures from this run)") }
    }
  }

  /// Waits until a subscription is known to the router, so that the next command has a reader.
  private func waitForReader() throws {
    try wait(for: "\"subscriptions\":1", in: "agent")
  }

  /// Waits until somebody publishes and is read.
  private func waitForChannel() throws {
    try wait(for: "\"readers\":1", in: "channel")
  }

  private func wait(for text: String, in listing: String) throws {
    let limit = Deadline(.seconds(10))
    while !limit.isOver {
      try Interrupt.check()
      let query = try ChildProcess(
        System.programPath, with([listing, "--json"]), output: .pipe)
      var lines = LineReader(query.output)
      while let line = try lines.next(.seconds(5)) {
        if line.contains(text) { return }
      }
      System.sleep(.milliseconds(20))
    }
  }

  /// Prints a command and runs it to its end, its output where ours goes.
  private func run(_ words: String...) throws {
    try finish(try start(words))
  }

  private func start(_ words: String...) throws -> ChildProcess { try start(words) }

  private func start(_ words: [String]) throws -> ChildProcess {
    try say("\n$ bcs " + words.map(quoted).joined(separator: " ") + directoryOption)
    return try ChildProcess(System.programPath, with(words))
  }

  private func finish(_ child: ChildProcess) throws {
    while child.wait(.milliseconds(200)) == nil { try Interrupt.check() }
    let status = child.wait().status
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
        exitCode: router.wait().status, name: "ROUTER")
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

  private func with(_ words: [String]) -> [String] { words + ["--dir", directory] }

  private func quoted(_ word: String) -> String {
    let isPlain = word.allSatisfy { $0.isLetter || $0.isNumber || "-_./=:".contains($0) }
    return isPlain ? word : "'\(word)'"
  }

  private func say(_ line: String) throws { try Output.write(line + "\n") }
}
