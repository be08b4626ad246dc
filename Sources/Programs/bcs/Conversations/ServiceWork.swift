import BinaryComm
import BusSystem

/// One request at work: its command, and what of its output is still to be sent.
final class ServiceWork {
  let incoming: InboxMessage
  let child: ServiceChild
  let beganNs = System.monotonicNs
  /// With `--lines`: the output so far.
  var lines = LineBuffer()
  /// Why it was given up, whatever its command says at its end.
  private(set) var failure: BusError?

  init(_ incoming: InboxMessage, _ child: ServiceChild) {
    self.incoming = incoming
    self.child = child
  }

  /// Gives it up: its command ends, if it has not, and nothing more of its output is sent.
  func stop(_ why: BusError) {
    failure = failure ?? why
    lines = LineBuffer()
    child.stop(why)
  }

  /// What is answered after this end of the command; nil: lines of its output are to go out before.
  func answer(to end: ServiceChild.End) -> Result<[UInt8], BusError>? {
    switch end {
    case .stopped(let why): return .failure(why)
    case .exited, .killed: break
    }
    if let failure { return .failure(failure) }
    guard lines.isDrained else {
      // Its requester has as long to read them as the command had to write them.
      return child.lateness.map { .failure($0) }
    }
    return switch end {
    case .exited(0): .success(lines.rest + child.takeOutput())
    case .exited(let code): .failure(complaint(1000 + code, "exit status \(code)"))
    case .killed(let number): .failure(complaint(1128 + number, "signal \(number)"))
    case .stopped(let why): .failure(why)
    }
  }

  private func complaint(_ code: Int32, _ how: String) -> BusError {
    let said = String(decoding: child.complaint, as: UTF8.self)
      .split(separator: "\n").joined(separator: " | ")
    return .failed(code: UInt32(code), said.isEmpty ? how : "\(how): \(said)")
  }
}

/// Bytes that are taken out line by line.
struct LineBuffer {
  private var bytes: [UInt8] = []
  private var start = 0
  private var searched = 0
  /// Whether every line that has ended was taken.
  private(set) var isDrained = true

  /// The start of a line whose end has not come, once every other was taken.
  var rest: [UInt8] { Array(bytes[start...]) }

  mutating func append(_ fresh: [UInt8]) {
    guard !fresh.isEmpty else { return }
    bytes += fresh
    isDrained = false
  }

  /// The next line without its line feed; nil: none has ended.
  mutating func next() -> [UInt8]? {
    if let end = bytes[searched...].firstIndex(of: 0x0A) {
      defer { (start, searched) = (end + 1, end + 1) }
      return Array(bytes[start..<end])
    }
    bytes.removeFirst(start)
    (start, searched) = (0, bytes.count)
    isDrained = true
    return nil
  }
}
