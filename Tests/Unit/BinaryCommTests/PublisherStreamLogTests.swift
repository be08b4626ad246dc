import BinaryComm
import BusLog
import BusTestSupport
import BusWire
import Testing

@Suite("The logs of a publisher's stream, and what the next router is told of it")
struct PublisherStreamLogTests {
  private typealias Probe = PublisherProbe

  /// As #expect, for words that come of a change.
  private func check(
    _ words: [String]?, _ expected: [String]? = [],
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(words == expected, sourceLocation: sourceLocation)
  }

  // MARK: A larger log

  @Test("a larger log is asked for, made, registered and gone over to, and the old one retired")
  func growth() {
    var probe = Probe.registered()
    check(words(probe.state.ask(for: Probe.shape(1 << 17))), ["wake"])
    check(words(probe.state.ask(for: Probe.shape(1 << 18))))
    check(words(probe.state.prepare()), ["make(128 KiB, 1)"])
    check(words(probe.state.prepare()))
    check(words(probe.state.offer(11, 101)), ["register(7, 1, 101)"])
    #expect(probe.state.take() == nil, "the router has not answered")
    probe.state.registered(1)
    #expect(!probe.state.hasOldLogs, "a log that is not in use makes no other an old one")
    #expect(probe.state.take() == 11)
    check(words(probe.state.moved(to: 1, at: 640)), ["retireLog(7, 0)"])
    #expect(probe.state.hasOldLogs)
    check(words(probe.state.ask(for: Probe.shape(1 << 18))), ["wake"])
    check(words(probe.state.prepare()), ["make(256 KiB, 2)"])
  }

  @Test("none is made before there is a name, and none once the stream is over")
  func noGrowth() {
    for var probe in [Probe(), Probe.closed(), Probe.shut()] {
      check(words(probe.state.ask(for: Probe.shape)), ["wake"])
      check(words(probe.state.prepare()))
      check(words(probe.state.offer(11, 101)))
      probe.state.registered(1)
      #expect(probe.state.take() == nil)
    }
  }

  /// Stands for a descriptor, and is gone when nobody keeps it.
  private final class Token: Sendable {}
  private typealias Kept = PublisherStreamState<Token, Int>

  /// How a larger log that the router was asked to register comes to nothing.
  private static let misfortunes: [@Sendable (inout Kept) -> Void] = [
    { $0.routerLost() },
    { $0.refused(.invalid("no")) },
    { _ = $0.restoreSteps(window: [], expected: []) },
    {
      $0.registered(1)
      _ = $0.restoreSteps(window: [], expected: [])
    },
    {
      _ = $0.shut(.closed("over"))
      $0.registered(1)
    },
    {
      _ = $0.close()
      $0.registered(1)
    },
  ]

  @Test("a log that comes to nothing keeps no descriptor", arguments: misfortunes.indices)
  func noDescriptor(place: Int) {
    var state = Kept(channel: "ticks", publisher: "writer")
    let added = LogAddedFrame(
      stream: Probe.stream, generation: 0, expected: [], proof: Probe.proof)
    _ = state.opened(added, Probe.shape, Token())
    _ = state.ask(for: Probe.shape)
    _ = state.prepare()
    weak var kept: Token?
    do {
      let token = Token()
      kept = token
      _ = state.offer(11, token)
    }
    #expect(kept != nil, "the router is asked with it")
    Self.misfortunes[place](&state)
    #expect(kept == nil)
  }

  @Test("one that nobody made, or an answer that comes twice or for another log, changes nothing")
  func strayAnswers() {
    var probe = Probe.registered()
    check(words(probe.state.offer(11, 101)))
    probe.state.registered(1)
    probe.state.refused(.invalid("no"))
    probe.state.routerLost()
    #expect(probe.state.refusal(of: Probe.shape(1 << 17), nowNs: 0) == nil)
    check(probe.offer(11), ["register(7, 1, 11)"])
    probe.state.registered(2)
    #expect(probe.state.take() == nil)
    probe.state.registered(1)
    probe.state.registered(1)
    probe.state.refused(.invalid("no"))
    probe.state.routerLost()
    check(words(probe.state.prepare()))
    #expect(probe.state.take() == 11)
    #expect(probe.state.take() == nil)
    check(words(probe.state.moved(to: 1, at: 640)), ["retireLog(7, 0)"])
    check(probe.restored(), ["log(0, retired, 100)", "log(1, current, 11)"])
  }

  @Test("a log for which there is no room to go over is taken again")
  func givenBack() {
    var probe = Probe.registered()
    _ = probe.offer(11)
    probe.state.registered(1)
    #expect(probe.state.take() == 11)
    check(probe.restored(), nil)
    probe.state.giveBack(11)
    #expect(probe.state.take() == 11)
  }

  @Test("a refusal is told for a second of the time that is given, then it is asked for anew")
  func refusal() {
    var probe = Probe.registered()
    let larger = Probe.shape(1 << 17)
    for _ in 0..<2 {
      check(probe.offer(11), ["register(7, 1, 11)"])
      probe.state.refused(.invalid("full"))
      #expect(probe.state.isRefused(larger, nowNs: 5) && probe.state.take() == nil)
      #expect(!probe.state.isRefused(Probe.shape, nowNs: 5))
      let told = probe.state.refusal(of: larger, nowNs: 5)
      #expect(told == .invalid("full"))
      #expect(probe.state.isRefused(larger, nowNs: 1_000_000_004))
      let past = probe.state.refusal(of: larger, nowNs: 1_000_000_005)
      #expect(past == nil && !probe.state.isRefused(larger, nowNs: 5))
    }
    check(probe.restored(), ["log(0, current, 100)"])
  }

  @Test("a router that goes before it answers has the log made again, with the same number")
  func lost() {
    var probe = Probe.registered()
    _ = probe.offer(11)
    probe.state.routerLost()
    check(probe.restored(), ["log(0, current, 100)"])
    check(words(probe.state.prepare()), ["make(128 KiB, 1)"])
    // There was no router when it was to be made.
    probe.state.routerLost()
    check(words(probe.state.prepare()), ["make(128 KiB, 1)"])
    check(words(probe.state.offer(12, 102)), ["register(7, 1, 102)"])
    probe.state.registered(1)
    #expect(probe.state.take() == 12)
  }

  // MARK: Logs that readers leave

  @Test("logs are kept for whoever still needs them, and the one that is written always")
  func drained() {
    var probe = Probe.registered()
    probe.grow(1, at: 640)
    probe.grow(2, at: 6400)
    probe.state.dropDrainedLogs(lowest: 639)
    check(
      probe.restored(), ["log(0, retired, 100)", "log(1, retired, 1)", "log(2, current, 2)"])
    probe.state.dropDrainedLogs(lowest: 640)
    check(probe.restored(), ["log(1, retired, 1)", "log(2, current, 2)"])
    #expect(probe.state.hasOldLogs)
    probe.state.dropDrainedLogs(lowest: nil)
    check(probe.restored(), ["log(2, current, 2)"])
    #expect(!probe.state.hasOldLogs)
    probe.state.dropDrainedLogs(lowest: nil)
    check(probe.restored(), ["log(2, current, 2)"])
  }

  @Test("a log that is ready drains no log before it")
  func notDrained() {
    var probe = Probe.registered()
    _ = probe.offer(11)
    probe.state.registered(1)
    probe.state.dropDrainedLogs(lowest: nil)
    check(probe.restored(), ["log(0, current, 100)"])
  }

  // MARK: Another router

  @Test("is told the logs with the proof, the readers in the window, and whom it is kept open for")
  func restored() {
    var probe = Probe.registered(expected: [9])
    probe.letIn(4, of: 50)
    probe.letIn(3, of: 51)
    probe.letIn(5, of: 52)
    check(
      probe.restored(window: [3, 4, 9], expected: [9]),
      ["log(0, current, 100)", "reader(3, 51)", "reader(4, 50)", "reader(9, 0)"])
    let steps = probe.state.restoreSteps(window: [], expected: []) ?? []
    #expect(steps.map(\.subject) == [.stream(Probe.stream)])
    guard case .restoreLog(let log) = steps.first?.frame else {
      Issue.record("no log")
      return
    }
    #expect(log.stream == Probe.stream && log.channel == "ticks" && log.proof == Probe.proof)
    #expect(log.capacity == 1 << 16 && log.segmentBytes == Probe.shape.segmentBytes)
  }

  @Test("a log that is ready and not in use is dropped; one on its way is made again")
  func restoredWhileGrowing() {
    var ready = Probe.registered()
    _ = ready.offer(11)
    ready.state.registered(1)
    check(ready.restored(), ["log(0, current, 100)"])
    #expect(ready.state.take() == nil)
    check(words(ready.state.prepare()))
    check(words(ready.state.ask(for: Probe.shape)), ["wake"])

    var offered = Probe.registered()
    _ = offered.offer(11)
    check(offered.restored(), ["log(0, current, 100)"])
    // An answer of the router before.
    offered.state.registered(1)
    #expect(offered.state.take() == nil)
    check(words(offered.state.prepare()), ["make(128 KiB, 1)"])
  }

  @Test("nothing is told of a stream without a name, and of one whose agent has ended")
  func nothingToTell() {
    var probe = Probe()
    check(probe.restored(window: [3], expected: [3]))
    var shut = Probe.shut()
    check(shut.restored())
    // Its end is told behind this.
    var closed = Probe.closed()
    check(closed.restored(), ["log(0, current, 100)"])
  }

  // MARK: In any order

  /// What may go wrong on purpose.
  private enum Defect { case none, keepsQuietOfLoss }

  @Test("whatever happens in which order, a router is told one log in use behind those before it")
  func orders() {
    var seeds = Seed.announced(for: "the logs of a stream").generator()
    var found = 0
    for _ in 0..<4000 {
      let seed = seeds.next()
      let complaint = play(seed, .none)
      #expect(complaint == nil, "seed \(seed)")
      if play(seed, .keepsQuietOfLoss) != nil { found += 1 }
    }
    #expect(found > 200, "the seeded defect was found in \(found) of 4000 orders")
  }

  /// Plays events in an order that follows from the seed; what is wrong, nil when nothing is.
  private func play(_ seed: UInt64, _ defect: Defect) -> String? {
    var random = Seed(seed).generator()
    var probe = Probe.registered()
    var (made, written, position) = (0, 0 as UInt32, 0 as UInt64)
    /// The log whose registration a router is asked for.
    var asked: UInt32?
    func register(_ actions: [Probe.State.Action]) {
      if case .register(let frame, _) = actions.first { asked = frame.generation }
    }
    for _ in 0..<80 {
      position += 64
      switch random.next() % 9 {
      case 0: _ = probe.state.ask(for: Probe.shape)
      case 1:
        if case .make = probe.state.prepare().first {
          made += 1
          register(probe.state.offer(made, made))
        }
      case 2: if let generation = asked.take() { probe.state.registered(generation) }
      case 3: if asked.take() != nil, defect == .none { probe.state.routerLost() }
      case 4: if asked.take() != nil { probe.state.refused(.invalid("full")) }
      case 5:
        guard let log = probe.state.take() else { break }
        if random.next() % 4 == 0 {
          probe.state.giveBack(log)
        } else {
          written += 1
          _ = probe.state.moved(to: written, at: position)
        }
      case 6: probe.state.dropDrainedLogs(lowest: random.next() % (position + 1))
      case 7:
        asked = nil
        if let complaint = complaint(about: probe.restored(), written) { return complaint }
      default: probe.state.registered(UInt32(random.next() % 4))
      }
    }
    // From here on all goes well.
    if let generation = asked { probe.state.registered(generation) }
    return hasEnd(probe) ? nil : "the wish had no end"
  }

  /// What is wrong with what a router is told while this log is written.
  private func complaint(about logs: [String]?, _ written: UInt32) -> String? {
    guard let logs else { return "nobody is between two logs" }
    let first = Int(written) - logs.count + 1
    for (place, log) in logs.enumerated() {
      let generation = first + place
      let role = generation == Int(written) ? "current" : "retired"
      guard log.hasPrefix("log(\(generation), \(role), ") else { return "\(logs)" }
    }
    return logs.isEmpty ? "no log" : nil
  }

  /// Whether a larger log is there in a few steps.
  private func hasEnd(_ former: Probe) -> Bool {
    var probe = former
    for _ in 0..<4 {
      if probe.state.take() != nil { return true }
      _ = probe.state.ask(for: Probe.shape)
      guard case .make(_, let generation) = probe.state.prepare().first else { continue }
      _ = probe.state.offer(-1, -1)
      probe.state.registered(generation)
    }
    return false
  }
}
