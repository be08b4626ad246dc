import ArgumentParser
import BinaryComm
import BusAdmin
import BusJSON
import BusText
import BusWire

/// Prints what the agents count, once, and whether it adds up.
struct StatCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "stat",
    abstract: "Show what each agent sends and receives, and whether it adds up.",
    discussion: """
      Takes two samples, --interval apart; rates and times are of that time, counts since each \
      agent began. For every channel: sent = delivered + pending + gaps + dropped, where a \
      subscriber accounts for what was sent since it subscribed. Exit code 1 where that does not \
      hold. Requesters that have ended share one row, inbox.*; patterns that nobody publishes to \
      now are named below, with their subscribers.

      Example:
        bcs stat --interval 5 --json
      """)

  @OptionGroup var common: CommonOptions
  @OptionGroup var naming: NameOptions
  @OptionGroup var timing: IntervalOptions

  func run() throws {
    let watching = try CounterSampler.open(common, name: naming.resolved("stat"))
    defer { watching.close() }
    let (earlier, _) = try watching.twice(timing.interval)
    let before = logs(watching)
    let later = watching.look()
    let witness = LogPositions(before: before, after: logs(watching)).verdicts(in: later)
    let picture = BusDelta(later, since: earlier)
    try show(picture, witness)
    try showWaiting(watching)
    try showEnded(watching)
    for fault in picture.faults {
      common.log(
        .warning, "The counters of \(fault.agent) cannot be read: \(fault.reason.printable).")
    }
    if let text = picture.unseenEnds { common.log(.warning, "\(text).") }
    try judge(picture, witness)
  }

  /// What lies in the logs; nothing while there is no router to read them.
  private func logs(_ watching: CounterSampler) -> [UInt64: UInt64] {
    guard watching.watch.routerGoneNs == nil else { return [:] }
    return LogPositions.read((try? watching.session.agent.query(.streams)) ?? [])
  }

  private func show(_ picture: BusDelta, _ witness: LogVerdicts) throws {
    var traffic = TrafficRows.listing
    traffic.rows = picture.traffic.map(TrafficRows.row)
    try common.show(traffic)
    if !common.json { try Output.write("\n") }
    var balance = BalanceRows.listing
    balance.rows = picture.channels.map { BalanceRows.row($0, log: witness.of($0)) }
    try common.show(balance)
  }

  /// Who subscribed to what nobody publishes counts nothing yet and has no row.
  private func showWaiting(_ watching: CounterSampler) throws {
    guard watching.watch.routerGoneNs == nil else { return }
    let open = ((try? watching.session.agent.query(.streams)) ?? []).compactMap { row in
      row["state"] == "open" ? row["channel"].flatMap { try? Topic($0) } : nil
    }
    for row in (try? watching.session.agent.query(.subscriptions)) ?? [] {
      guard let agent = row["agent"], let pattern = row["pattern"], row["streams"] == "0" else {
        continue
      }
      let mode = row["mode"] ?? "?"
      let publishers = Self.publishers(open, matching: pattern)
      let reason =
        publishers == 0
        ? "nobody publishes there now"
        : "reads nothing of what is published there now: it was evicted, or could not be let in"
      try Output.write(
        common.json
          ? JSONValue.line([
            ("kind", .text("waiting")), ("agent", .text(agent)), ("pattern", .text(pattern)),
            ("mode", .text(mode)), ("publishers", .integer(publishers)),
          ]) + "\n"
          : "\(agent) subscribes to \(pattern) (\(mode)), and \(reason).\n")
    }
  }

  /// Of how many of these streams' channels a pattern may match something.
  private static func publishers(_ streams: [Topic], matching text: String) -> Int {
    guard let pattern = try? TopicPattern(text) else { return 0 }
    return streams.count { pattern.couldMatchChannel($0) }
  }

  /// Whoever has ended counts no more, but what it published may still wait for a reader.
  private func showEnded(_ watching: CounterSampler) throws {
    guard watching.watch.routerGoneNs == nil else { return }
    for row in (try? watching.session.agent.query(.streams)) ?? [] {
      guard let channel = row["channel"], let publisher = row["publisher"],
        let messages = row["messages"].flatMap(UInt64.init),
        let readers = row["attachments"].flatMap(Int.init),
        row["state"] != "open", readers > 0, InboxChannel(channel) == nil
      else { continue }
      let fields: [(String, JSONValue)] = [
        ("kind", .text("ended")), ("publisher", .text(publisher)), ("channel", .text(channel)),
        ("messages", .unsigned(messages)), ("readers", .integer(readers)),
      ]
      let who: String = readers == 1 ? "1 reader has" : "\(readers) readers have"
      let text: TerminalText = """
        \(publisher) has ended; \(who) not read all of its \(messages) messages on \(channel).

        """
      try Output.write(common.json ? JSONValue.line(fields) + "\n" : text)
    }
  }

  private func judge(_ picture: BusDelta, _ witness: LogVerdicts) throws {
    let broken = picture.channels.compactMap { channel in
      let verdict = witness.of(channel)
      // What lies in the log is beyond doubt.
      let suspects = verdict.liar.map { [$0] } ?? channel.suspects
      let name = channel.channel.printable
      return suspects.isEmpty ? nil : (channel: name, suspects: suspects.map(\.printable))
    }
    guard let first = broken.first else { return }
    let who = first.suspects.joined(separator: " or ")
    let complaint =
      first.suspects.count == 1
      ? "the counters of \(who) there cannot be true."
      : "\(who) says there what cannot be true: a reader says what it counts, and its publisher "
        + "what it has sent and where the reader began."
    throw Failure(
      "The balance does not hold on \(broken.count) of \(picture.channels.count) channels, first "
        + "on '\(first.channel)': \(complaint)",
      remedy: "Look at `bcs channel show \(first.channel)`, and end the agent that says what "
        + "cannot be true; figures of others are without its.", name: "BALANCE")
  }
}
