import BinaryComm
import BusWire

/// What to do about an error of the bus: by its cause, where the error's own text tells it, else
/// by its code.
struct Remedy {
  let text: String

  init(for error: BusError) {
    // Some errors name the option to change, or what to run, themselves.
    guard !error.detail.contains("`bcs ") else {
      text = ""
      return
    }
    let detail = error.detail.lowercased()
    let special = Self.causes.first { cause in
      cause.code == error.code && cause.words.contains { detail.contains($0) }
    }
    text = special?.remedy ?? Self.general[error.code] ?? error.code.remedy
  }

  private struct Cause {
    let code: BusErrorCode
    let words: [String]
    let remedy: String
  }

  private static let causes = [
    Cause(
      code: .resourceExhausted, words: ["--output-limit"],
      remedy: "Start the responder with a larger --output-limit, or ask for less."),
    Cause(
      code: .resourceExhausted, words: ["descriptor", "open files"],
      remedy: "Raise the limit of open files (`ulimit -n`), or end what holds them."),
    Cause(
      code: .resourceExhausted, words: ["map", "address space", "memory file"],
      remedy: "Raise the memory limit of this process (`ulimit -v`), or free memory."),
    Cause(
      code: .timeout, words: ["--time-limit"],
      remedy: "Start the responder with a longer --time-limit."),
    Cause(
      code: .timeout, words: ["the router did not answer"],
      remedy: "It may be stopped or busy: `bcs doctor` names its process."),
    Cause(
      code: .nameInUse, words: ["choose another"],
      remedy: "`bcs agent` shows who holds it, and its pid."),
    Cause(code: .notFound, words: ["blob"], remedy: BusErrorCode.notFound.remedy),
  ]

  /// Where the words of the table would say again what the error has said.
  private static let general: [BusErrorCode: String] = [
    .failed: "",
    .denied: "With a policy file, the router's log names the rule; without one, a router serves "
      + "its own user only.",
    .notFound: "It may have ended, or never been there.",
  ]
}
