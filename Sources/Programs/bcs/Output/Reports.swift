import BusJSON
import BusSystem
import BusText
import Synchronization

/// What a command says while others wait for it: written by threads of its own, so that nobody who
/// lets its output stand holds them up.
enum Reports {
  /// Lines that wait at most: more than come before a reader that is there has its turn.
  private static let linesMax = 16_384

  private static let isServing = Atomic<Bool>(false)
  private static let isJSON = Atomic<Bool>(false)

  private static let results = LineOutput(
    1, linesMax: linesMax,
    onFailure: { number in
      let why = Errno.text(number)
      notes.write(warning("Writing the output failed: \(why). What cannot be written is counted."))
    }, notice: { count in bytes(JSONValue.line([("left_out", .integer(count))])) })
  private static let notes = LineOutput(2, linesMax: linesMax) { count in
    warning("\(count) lines were left out: standard error was not read")
  }

  private static func warning(_ text: String) -> [UInt8] {
    bytes(
      isJSON.load(ordering: .relaxed)
        ? JSONValue.line([("log", .text(LogLevel.warning.rawValue)), ("text", .text(text))])
        : .entry(text))
  }

  /// From now on this command serves others: its notes are reports, too.
  static func begin(asJSON: Bool) {
    isJSON.store(asJSON, ordering: .relaxed)
    isServing.store(true, ordering: .relaxed)
  }

  /// It serves nobody any more: what waits is written, or left out after a signal to end.
  static func end() {
    isServing.store(false, ordering: .relaxed)
    var limit: Deadline?
    while !(results.isDone && notes.isDone) {
      if Interrupt.isAsked {
        let end = limit ?? Deadline(after: Output.lastWait)
        if end.isOver { return }
        limit = end
      }
      System.sleep(.milliseconds(2))
    }
  }

  /// Has a line written to standard output.
  static func show(_ line: TerminalText) { results.write(bytes(line)) }

  /// Has a line written to standard error where the command serves others; false where not.
  static func takes(_ note: TerminalText) -> Bool {
    guard isServing.load(ordering: .relaxed) else { return false }
    notes.write(bytes(note))
    return true
  }

  /// Has a line written to standard error.
  static func note(_ line: TerminalText, asJSON: Bool) {
    isJSON.store(asJSON, ordering: .relaxed)
    notes.write(bytes(line))
  }

  private static func bytes(_ line: TerminalText) -> [UInt8] { Array((line + "\n").utf8) }
}
