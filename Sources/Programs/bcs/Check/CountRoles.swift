import ArgumentParser
import BinaryComm
import BusLog
import BusText
import BusWire
import Glibc

/// Publishes numbered messages and tells, after each, how many are committed.
struct PublishCountRole: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "role-publish-count", shouldDisplay: false)

  @OptionGroup var common: CommonOptions
  @Option var channel: String
  @Option var name: String
  @Option var count: Int
  @Option var size = 64
  @Option var rate: Double?
  /// Tell after that many messages.
  @Option var report = 1
  /// Stay until standard input ends, so that the stream stays open.
  @Flag var stay = false

  func run() throws {
    let session = try Session.open(common, name: name)
    var publisher = try session.agent.publisher(on: channel)
    let topic = try publisher.topic("\(channel).numbers")
    try Output.write("ready\n")
    var pace = Pace(rate: rate.map { $0 / Double(report) }, sleep: nil)
    for number in 0..<count {
      if number % report == 0 { try pace.wait() }
      let body = NumberedBody.bytes(UInt64(number), size: size)
      try publisher.publish(topic, bytes: body, timeout: .seconds(30))
      if (number + 1) % report == 0 { try Output.write("at \(number + 1)\n") }
    }
    if stay { while try !Input.read(0, room: 256).isEmpty {} }
    publisher.close()
    session.agent.close()
    try Output.write("published messages \(count)\n")
  }
}

/// A message whose every byte follows from its number, so that a torn one is seen.
enum NumberedBody {
  static func bytes(_ number: UInt64, size: Int) -> [UInt8] {
    (0..<max(8, size)).map { place in
      place < 8
        ? UInt8(truncatingIfNeeded: number >> (8 * UInt64(place))) : pattern(number, place)
    }
  }

  /// The number of a whole message; nil for a torn one.
  static func number(of bytes: [UInt8]) -> UInt64? {
    guard bytes.count >= 8 else { return nil }
    let number = bytes[..<8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    for place in 8..<bytes.count where bytes[place] != pattern(number, place) { return nil }
    return number
  }

  private static func pattern(_ number: UInt64, _ place: Int) -> UInt8 {
    UInt8(truncatingIfNeeded: number &* 31 &+ UInt64(place))
  }
}

/// Reads numbered messages and judges each: whole, in order, gaps exact.
struct ReadCountRole: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "role-read-count", shouldDisplay: false)

  @OptionGroup var common: CommonOptions
  @Option var channel: String
  @Option var name: String
  @Flag var mode = SubCommand.Mode.lossless
  /// End when that many streams ended.
  @Option var ends = 1
  /// Pause after each poll, and most messages of a poll: for a slow reader.
  @Option var pauseMs = 0
  @Option var limit = 256
  /// Stop this very process while that message is lent to it.
  @Option var holdAt: Int?

  func run() throws {
    let session = try Session.open(common, name: name)
    var reader = try session.agent.reader("\(channel).>", mode: mode.read)
    try Output.write("ready\n")
    var ledger = SequenceCheck()
    while reader.statistics.ended + ledger.evicted < ends {
      let taken = try step(&reader, &ledger)
      try Output.write("at \(ledger.received)\n")
      if pauseMs > 0 {
        System.sleep(.milliseconds(pauseMs))
      } else if taken == 0 && reader.statistics.ended + ledger.evicted < ends {
        _ = try reader.wait(timeout: .milliseconds(200))
      }
    }
    let gaps = reader.statistics.gaps
    reader.close()
    session.agent.close()
    try Output.write(.block(ledger.report(gaps: gaps)))
  }

  private func step(_ reader: inout Reader, _ ledger: inout SequenceCheck) throws -> Int {
    var batch: [ReceivedMessage] = []
    let before = ledger.received
    do {
      let taken = try reader.poll(limit: limit) { message in
        if before + batch.count == holdAt {
          try? Output.write("holding\n")
          raise(SIGSTOP)
        }
        batch.append(message.copy())
      }
      for message in batch { ledger.take(message) }
      return taken
    } catch {
      guard error.code == .evicted else { throw error }
      ledger.void(batch)
      return 0
    }
  }
}

/// What a reader of numbered messages believes and what it found wrong.
struct SequenceCheck {
  private var counts: [String: Int] = [:]
  private var next: [String: UInt64] = [:]
  private(set) var received = 0
  private(set) var evicted = 0
  private var torn = 0
  private var disorder = 0
  /// What the first message out of order looked like.
  private var firstWrong: String?
  private var gapsBefore: UInt64 = 0
  private var voided = 0
  private var voidedWrong = 0

  mutating func take(_ message: ReceivedMessage) {
    received += 1
    counts[message.publisher, default: 0] += 1
    gapsBefore += message.gapBefore
    guard let number = NumberedBody.number(of: message.payload) else {
      torn += 1
      return
    }
    let expected = next[message.publisher, default: 0] + message.gapBefore
    if number != expected {
      disorder += 1
      firstWrong =
        firstWrong ?? "disorder number \(number) expected \(expected) "
        + "gap \(message.gapBefore) sequence \(message.sequence)\n"
    }
    next[message.publisher] = number + 1
  }

  /// The batch in which the reader was evicted: nothing of it is believed.
  mutating func void(_ batch: [ReceivedMessage]) {
    evicted += 1
    voided += batch.count
    voidedWrong += batch.count { NumberedBody.number(of: $0.payload) != $0.sequence }
  }

  /// The report as lines.
  func report(gaps: UInt64) -> String {
    counts.sorted { $0.key < $1.key }.map { "from \($0.key) \($0.value)\n" }.joined()
      + (firstWrong ?? "")
      + "end received \(received) gaps \(gaps) torn \(torn) disorder \(disorder) "
      + "evicted \(evicted) void \(voided) void_wrong \(voidedWrong)\n"
  }
}
