import BinaryComm
import BusJSON
import BusPolicyFile
import BusText
import BusWire

/// What a command ends with when it cannot do what it was asked: a sentence, what to do, a code.
struct Failure: Error {
  /// The exit code for a call that is wrong in itself.
  static let usage: Int32 = 64

  let message: String
  let remedy: String
  let exitCode: Int32
  /// The stable name in JSON, such as `NO_ROUTER`.
  let name: String
  /// Whether people are shown the name, too: it is one of the error table.
  let isOfTheBus: Bool
  /// Of a request to several: whose failure it is.
  var responder: String?
  /// Of a message to several: who did not get it, as far as they are named.
  var missed: [String] = []

  init(
    _ message: String, remedy: String, exitCode: Int32 = 1, name: String = "FAILED",
    isOfTheBus: Bool = false
  ) {
    self.message = message
    self.remedy = remedy
    self.exitCode = exitCode
    self.name = name
    self.isOfTheBus = isOfTheBus
  }

  /// The failure with the words of the error table.
  init(_ code: BusErrorCode, _ message: String) {
    self.init(message, remedy: code.remedy, exitCode: code.exitCode, name: code.name)
  }

  /// An argument that breaks a rule which no router is needed for.
  static func usage(_ message: String, remedy: String) -> Failure {
    Failure(message, remedy: remedy, exitCode: usage, name: "USAGE")
  }

  /// The failure an error stands for; nil when it is one of the argument parser's.
  init?(_ error: any Error) {
    switch error {
    case let failure as Failure: self = failure
    case let error as BusError:
      self.init(
        error.detail, remedy: Remedy(for: error).text, exitCode: error.code.exitCode,
        name: error.code.name, isOfTheBus: true)
    case let error as PolicyFileError:
      self.init(error.description, remedy: "", name: "INVALID")
    case let long as LineReader.LongLine:
      self.init(
        .payloadTooLarge,
        "Line \(long.number) of the input has more than \(long.limit) bytes.")
    default: return nil
    }
  }

  /// The same failure of a command, such as `bcs agent`, whose advice must not be to run that
  /// command.
  func advising(against call: String) -> Failure {
    guard isOfTheBus, call != "bcs", remedy.contains("`\(call)") else { return self }
    return Failure(
      message, remedy: "`bcs doctor` says what is there and what is wrong.", exitCode: exitCode,
      name: name, isOfTheBus: isOfTheBus)
  }

  /// Prints it on standard error.
  func show(asJSON: Bool) {
    if asJSON {
      Output.note(
        JSONValue.line(
          [
            ("error", .text(name)), ("exit", .integer(Int(exitCode))), ("message", .text(message)),
            ("remedy", .text(remedy)),
          ] + (responder.map { [("responder", .text($0))] } ?? [])
            + (missed.isEmpty ? [] : [("missed", .list(missed.map { .text($0) }))])))
    } else {
      // Both may hold what another agent wrote, in lines of its own.
      let advice: TerminalText = remedy.isEmpty ? "" : "\n  \(TerminalText.entry(remedy))"
      let head: TerminalText = isOfTheBus ? "\(name): " : ""
      Output.note("\(Style.onError("error:", .red)) \(head)\(TerminalText.entry(message))\(advice)")
    }
  }
}
