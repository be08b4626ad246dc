import BinaryComm
import BusWire

/// What to do about an error of the bus, in the words of this program.
///
/// Chosen by the error's cause, else by its code; never by the words of its text, which another
/// agent may have written.
struct Remedy {
  let text: String

  init(for error: BusError) {
    text = error.cause?.remedy ?? Self.general[error.code] ?? error.code.remedy
  }

  /// Where the words of the table would say again what the error has said.
  private static let general: [BusErrorCode: String] = [
    .failed: "",
    .denied: "With a policy file, the router's log names the rule; without one, a router serves "
      + "its own user only.",
    .notFound: "It may have ended, or never been there.",
  ]
}
