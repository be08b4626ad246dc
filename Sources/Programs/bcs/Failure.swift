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

  init(_ message: String, remedy: String, exitCode: Int32 = 1, name: String = "FAILED") {
    self.message = message
    self.remedy = remedy
    self.exitCode = exitCode
    self.name = name
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
        error.description, remedy: "", exitCode: error.code.exitCode, name: error.code.name)
    case let error as PolicyFileError:
      self.init(error.description, remedy: "", name: "INVALID")
    default: return nil
    }
  }

  /// Prints it on standard error.
  func show(asJSON: Bool) {
    if asJSON {
      Output.note(
        JSONValue.line([
          ("error", .text(name)), ("exit", .integer(Int(exitCode))), ("message", .text(message)),
          ("remedy", .text(remedy)),
        ]))
    } else {
      // Both may hold what another agent wrote, in lines of its own.
      let advice: TerminalText = remedy.isEmpty ? "" : "\n  \(TerminalText.entry(remedy))"
      Output.note("\(Style.onError("error:", .red)) \(TerminalText.entry(message))\(advice)")
    }
  }
}
