import BusLog
import BusWire

/// What flow control is to a publisher, without memory: who is in the window, and where each began.
struct SimulatedWindow {
  /// The log that is written.
  private(set) var generation: UInt32 = 0
  /// Readers by where they began; nil for one that is expected and has not named its slot.
  private var starts: [AttachmentID: FlowControl.Start?] = [:]

  var attachments: Set<AttachmentID> { Set(starts.keys) }

  /// The readers for which it is kept at the start of the stream.
  var expected: [AttachmentID] { starts.filter { $0.value == nil }.keys.sorted() }

  mutating func expect(_ readers: [AttachmentID]) {
    for reader in readers where starts[reader] == nil { starts.updateValue(nil, forKey: reader) }
  }

  /// False when it has left the start of the stream.
  mutating func expectInstead(_ readers: [AttachmentID]) -> Bool {
    guard !expected.isEmpty else { return false }
    expect(readers)
    return true
  }

  /// The first answer holds, however often the question comes.
  mutating func join(_ reader: AttachmentID) -> FlowControl.Start {
    let now = FlowControl.Start(
      generation: generation, position: Self.position(of: generation), sequence: 0)
    let first = FlowControl.Start(generation: 0, position: 0, sequence: 0)
    let start = starts[reader].map { $0 ?? first } ?? now
    starts[reader] = start
    return start
  }

  /// False when it was not there.
  mutating func leave(_ reader: AttachmentID) -> Bool { starts.removeValue(forKey: reader) != nil }

  /// The publisher writes this log from now on.
  mutating func use(_ generation: UInt32) { self.generation = generation }

  /// Where a log begins in its stream.
  static func position(of generation: UInt32) -> UInt64 { UInt64(generation) * 64 }
}
