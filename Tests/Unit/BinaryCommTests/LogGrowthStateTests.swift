import BinaryComm
import BusLog
import BusTestSupport
import Synchronization
import Testing

/// A log of the tests: knows how many of its kind are alive.
private struct FakeLog: ~Copyable, Sendable {
  static let alive = Mutex<Set<Int>>([])
  let number: Int
  init(_ number: Int) {
    self.number = number
    Self.alive.withLock { _ = $0.insert(number) }
  }
  deinit {
    let gone = number
    Self.alive.withLock { _ = $0.remove(gone) }
  }
}

@Suite("The growth of a log", .serialized)
struct LogGrowthStateTests {
  private typealias Growth = LogGrowthState<FakeLog>

  /// As #expect, for what changes a value that cannot be copied.
  private func check(_ holds: Bool, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(holds, sourceLocation: sourceLocation)
  }

  private func shape(_ capacity: UInt64) throws -> LogShape {
    try #require(LogShape(capacity: capacity))
  }

  @Test("a log is asked for once, made once, and taken once it is registered")
  func way() throws {
    var growth = Growth()
    let larger = try shape(1 << 20)
    check(growth.begin() == nil)
    check(growth.ask(for: larger))
    check(!growth.ask(for: larger))
    check(growth.begin()?.capacity == 1 << 20)
    check(growth.begin() == nil)
    growth.offer(FakeLog(1))
    check(isNone(growth.take()))
    check(growth.registered())
    check(!growth.registered())
    let taken = growth.take()
    check(growth.isMoving && !isNone(taken))
    growth.moved()
    check(!growth.isMoving && growth.ask(for: larger))
  }

  @Test("a log that was given back is taken again")
  func givenBack() throws {
    var growth = try ready(7)
    guard let first = growth.take() else {
      Issue.record("nothing was ready")
      return
    }
    growth.giveBack(first)
    check(!growth.isMoving)
    let again = growth.take()
    check(number(again) == 7)
  }

  @Test("a router that goes has the log made again, and a registered one is asked for anew")
  func lost() throws {
    var growth = Growth()
    check(growth.ask(for: try shape(1 << 20)))
    check(growth.begin() != nil)
    growth.offer(FakeLog(1))
    growth.routerLost()
    check(FakeLog.alive.withLock { $0.isEmpty })
    check(growth.begin()?.capacity == 1 << 20)
    growth.offer(FakeLog(2))
    check(growth.restore())
    check(growth.begin() != nil)

    var other = try ready(3)
    check(other.restore() && !other.restore())
    check(FakeLog.alive.withLock { $0.isEmpty })
    check(isNone(other.take()) && other.begin() == nil)
  }

  @Test("a refusal is told at least once, stands for a second, and is of this size and more")
  func refusal() throws {
    var growth = Growth()
    let (small, large) = (try shape(1 << 16), try shape(1 << 20))
    check(growth.ask(for: large) && growth.begin() != nil)
    growth.refused(.invalid("no"))
    // However late it is asked: nobody was told yet.
    check(growth.isRefused(large, nowNs: 1 << 60) && !growth.isRefused(small, nowNs: 0))
    check(growth.refusal(of: large, nowNs: 5) == .invalid("no"))
    check(growth.refusal(of: large, nowNs: 4 + Growth.refusalNs) == .invalid("no"))
    check(!growth.isRefused(large, nowNs: 5 + Growth.refusalNs))
    check(growth.refusal(of: large, nowNs: 5 + Growth.refusalNs) == nil)
    check(growth.refusal(of: large, nowNs: 0) == nil)
    check(growth.ask(for: large))
  }

  /// What may go wrong on purpose.
  private enum Defect { case none, keepsQuietOfLoss }

  @Test("whatever happens in which order, one log at most is there, and a wish comes to an end")
  func orders() throws {
    var seeds = Seed.announced(for: "growth of a log").generator()
    var found = 0
    for _ in 0..<4000 {
      let seed = seeds.next()
      let complaint = try play(seed, .none)
      #expect(complaint == nil, "seed \(seed)")
      if try play(seed, .keepsQuietOfLoss) != nil { found += 1 }
    }
    #expect(found > 200, "the seeded defect was found in \(found) of 4000 orders")
  }

  /// Plays events in an order that follows from the seed; what is wrong, nil when nothing is.
  private func play(_ seed: UInt64, _ defect: Defect) throws -> String? {
    var random = Seed(seed).generator()
    var growth = Growth()
    let larger = try shape(1 << 20)
    var made = 0
    var isOffered = false
    for _ in 0..<60 {
      switch random.next() % 8 {
      case 0: _ = growth.ask(for: larger)
      case 1:
        if growth.begin() != nil {
          made += 1
          growth.offer(FakeLog(made))
          isOffered = true
        }
      case 2:
        if isOffered {
          isOffered = false
          _ = growth.registered()
        }
      case 3:
        if isOffered {
          isOffered = false
          if defect == .none { growth.routerLost() }
        }
      case 4:
        if isOffered {
          isOffered = false
          growth.refused(.invalid("full"))
        }
      case 5:
        if let log = growth.take() {
          if random.next() % 2 == 0 { growth.giveBack(log) } else { growth.moved() }
        }
      case 6:
        if growth.restore() { isOffered = false }
      default: break
      }
      if FakeLog.alive.withLock({ $0.count }) > 1 { return "two logs" }
    }
    // From here on all goes well: a wish is fulfilled in a few steps.
    for _ in 0..<4 {
      _ = growth.ask(for: larger)
      if growth.begin() != nil {
        growth.offer(FakeLog(-1))
        isOffered = true
      }
      if isOffered { _ = growth.registered() }
      isOffered = false
      if let log = growth.take() { return log.number != 0 ? nil : "no log" }
    }
    return "the wish had no end"
  }

  private func ready(_ number: Int) throws -> Growth {
    var growth = Growth()
    check(growth.ask(for: try shape(1 << 20)) && growth.begin() != nil)
    growth.offer(FakeLog(number))
    check(growth.registered())
    return growth
  }

  private func isNone(_ log: borrowing FakeLog?) -> Bool {
    switch log {
    case .none: true
    case .some: false
    }
  }

  private func number(_ log: borrowing FakeLog?) -> Int? {
    switch log {
    case .none: nil
    case .some(let log): log.number
    }
  }
}
