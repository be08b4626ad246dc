/// What is measured.
public enum BenchMode: String, Codable, Sendable, CaseIterable {
  /// The machine alone.
  case floor
  /// Messages a second, publishers to one reader each message.
  case throughput
  /// One way between two processes.
  case latency
  /// One publisher, several readers, deliveries a second.
  case fanout
  /// Several publishers, one reader.
  case fanin
  /// Requests and their replies; times are half of the way there and back.
  case request
  /// Payloads of a MiB and more: bytes a second, written and read in place.
  case large
}

/// How a reader waits for messages.
public enum BenchWait: String, Codable, Sendable, CaseIterable {
  /// Looks again and again.
  case spin
  /// Looks for a while, then sleeps.
  case adaptive
  /// Sleeps until it is woken.
  case sleep
}

/// One measurement, all choices made.
public struct BenchPlan: Codable, Equatable, Sendable {
  /// What is measured.
  public var mode: BenchMode
  /// Messages of all publishers in one run; nil where `seconds` ends it.
  public var messages: UInt64?
  /// Length of one run; nil where `messages` ends it.
  public var seconds: Double?
  /// Messages a second that the publisher starts, whether or not earlier ones arrived; nil: as
  /// fast as it goes, or for latency the next when the last was answered.
  public var rate: Double?
  /// Bytes of each payload.
  public var payload: Int
  /// Publishing processes.
  public var publishers: Int
  /// Reading processes; each reads every message.
  public var readers: Int
  /// Messages made visible by one store.
  public var batch: Int
  /// How readers wait.
  public var wait: BenchWait
  /// Whether each process has a CPU of its own.
  public var isPinned: Bool
  /// Requests on their way at a time.
  public var inFlight = 1
  /// Bytes of the ring of each log, a power of two.
  public var logBytes: Int
  /// Runs that must count.
  public var runs: Int
  /// Whether a run counts only if the floor stayed.
  public var judgesFloor = true

  /// Processes that are busy at the same time.
  public var processes: Int { isPair ? 2 : publishers + readers }

  /// Whether times are measured between two processes.
  public var isPair: Bool { mode == .latency || mode == .request }

  /// Bytes of one record in a log: header and payload, rounded up to cache lines.
  public var recordBytes: Int { (64 + payload + 63) / 64 * 64 }

  /// Messages of each publisher before the measurement: once round the log, so that every page is
  /// mapped and warm.
  public var warmUp: UInt64 {
    switch mode {
    case .floor: 0
    case .latency, .request: wait == .sleep ? 20 : 2000
    case .throughput, .fanout, .fanin, .large: UInt64(max(16, min(65536, logBytes / recordBytes)))
    }
  }

  /// Messages that publisher `index` sends in one run; nil where time ends it.
  ///
  /// What does not divide evenly goes to the first.
  public func share(of index: Int) -> UInt64? {
    messages.map { all in
      let each = all / UInt64(publishers)
      return index == 0 ? all - each * UInt64(publishers - 1) : each
    }
  }

  /// One line that says what runs.
  public var title: String {
    let pair = isPair ? "1 ⇄ 1" : "\(publishers) → \(readers)"
    var parts = ["\(mode.rawValue) \(pair)", "\(grouped(UInt64(payload))) B"]
    if mode == .request { parts.append("\(inFlight) in flight, times are RTT/2") }
    if batch > 1 { parts.append("batches of \(batch)") }
    parts.append("readers \(wait == .spin ? "spin" : wait == .sleep ? "sleep" : "adapt")")
    if let rate { parts.append("\(grouped(UInt64(rate))) a second") }
    if let messages { parts.append("\(grouped(messages)) messages") }
    if let seconds { parts.append("\(seconds) s") }
    parts.append("\(runs) \(runs == 1 ? "run" : "runs")")
    parts.append(isPinned ? "pinned" : "not pinned")
    return parts.joined(separator: ", ")
  }
}

/// A number with its digits in groups of three.
func grouped(_ value: UInt64) -> String {
  let digits = String(value)
  var out = ""
  for (index, digit) in digits.enumerated() {
    if index > 0 && (digits.count - index) % 3 == 0 { out += "," }
    out.append(digit)
  }
  return out
}
