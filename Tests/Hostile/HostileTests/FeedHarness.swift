import BinaryComm
import BusLog
import BusTestSupport
import BusWire
import Foundation
import Glibc
import Synchronization

/// A hostile publisher on the bus, and a reader of the real library that was let in to its log.
final class Feed {
  let peer: HostilePeer
  let log: RawLog
  let stream: UInt64
  let victim: Agent
  private var reader: Reader
  /// What was handed over: topics, and the payloads' first bytes.
  private(set) var topics: [String] = []
  private(set) var sources: Set<BusUUID> = []
  private(set) var errors: [String] = []
  private(set) var polls = 0
  /// What the publisher does to its log between the reader's decision to hand a message over and
  /// the look of whoever it is handed to.
  var whileHanded: (@Sendable (RawLog) -> Void)?

  /// The log is opened, and `before` strikes, before the reader subscribes.
  init(
    _ stand: Stand, _ mode: ReadMode, pattern: String = "alerts.>", channel: String = "alerts",
    topicsBytes: Int = 4096, before: (RawLog) -> Void = { _ in }
  ) throws {
    peer = try stand.attacker("kit.feed")
    log = try peer.log(channel, topicsBytes: topicsBytes)
    stream = try peer.open(log)
    before(log)
    victim = try stand.victim("kit.victim")
    let (listener, name) = (victim, pattern)
    // The reader waits for the publisher's answer, which this thread gives.
    let opened = Opening { try listener.reader(name, mode: mode, wait: .sleep) }
    try peer.letIn()
    reader = try opened.take()
  }

  /// Polls until so many messages have come, or so often that nothing more will.
  func read(_ count: Int, polls most: Int = 40) {
    for _ in 0..<most where topics.count < count {
      do throws(BusError) {
        let taken = try reader.poll { message in
          whileHanded?(log)
          topics.append(message.topic)
          sources.insert(message.source)
        }
        if taken == 0 { _ = try reader.wait(timeout: .milliseconds(2)) }
      } catch {
        errors.append(error.code.name)
      }
      polls += 1
    }
  }

  var statistics: ReaderStatistics { reader.statistics }

  /// Polls until no stream is read any more: the router's word of an end may take its time.
  func readToTheEnd() {
    for _ in 0..<1000 where statistics.streams > 0 {
      let before = polls
      read(topics.count + 1, polls: 1)
      polls = before
      if statistics.streams > 0 { usleep(5000) }
    }
  }

  /// Compares what came; reads until something more than that would have come.
  func expect(_ expected: [[String]], _ errors: [[String]] = [[]], _ report: Report) {
    let most = expected.map(\.count).max() ?? 0
    read(most + 1)
    report.result("\(topics)", isOneOf: expected.map { "\($0)" }, "what came")
    report.result("\(self.errors)", isOneOf: errors.map { "\($0)" }, "errors")
    report.work(topics.count, atMost: most, "messages")
    report.work(polls, atMost: 40, "polls")
  }
}

/// A reader that is made on a thread of its own.
private final class Opening: @unchecked Sendable {
  // @unchecked Sendable: the reader is handed over once, when the thread has ended.
  private var reader: Reader?
  private var failure: (any Error)?
  private let done = Latch()

  init(_ make: @escaping @Sendable () throws -> Reader) {
    Thread.detachNewThread { [self] in
      do { reader = try make() } catch { failure = error }
      done.raise()
    }
  }

  func take() throws -> Reader {
    done.wait()
    if let failure { throw failure }
    guard let made = reader.take() else { throw SetUpFailure("no reader was made") }
    return made
  }
}

/// Says to another thread that something has happened.
final class Latch: Sendable {
  private let raised = Atomic(false)
  var isRaised: Bool { raised.load(ordering: .acquiring) }
  func raise() { raised.store(true, ordering: .releasing) }
  func wait() { while !raised.load(ordering: .acquiring) { usleep(500) } }
}
