import ArgumentParser
import BinaryComm
import BusText
import BusWire

/// Sends the body as a blob: in memory of its own, of which the message carries a reference.
struct BlobOptions: ParsableArguments {
  @Flag(help: "Send the body as a blob: for more than 16 MiB, or to be kept by its readers.")
  var blob = false
  @Option(
    help: ArgumentHelp(
      "How long a blob can be opened, from when it was made, also when this command has ended. "
        + "(default: 60.0)",
      valueName: "seconds"))
  var keep: Double?

  func validate() throws {
    guard let keep else { return }
    guard blob else { throw ValidationError("--keep goes with --blob.") }
    guard (0...3600).contains(keep) else {
      throw ValidationError("--keep takes 0 to 3600 seconds, not \(keep).")
    }
  }

  /// Most bytes of a body: what may go into a message, or into a blob.
  var bodyMax: Int { blob ? MessageSender.bodyMax : WireLimit.payloadBytesMax }

  /// What goes into the message: the body itself, or a reference to a blob that was made of it.
  func carried(_ body: [UInt8], _ agent: Agent) throws(BusError) -> CarriedBody {
    guard blob else { return CarriedBody(payload: body, bytes: body.count, blob: nil) }
    let blob = try agent.makeBlob(body, keep: Duration(seconds: keep ?? 60))
    return CarriedBody(payload: blob.reference.encoded, bytes: body.count, blob: blob)
  }
}

/// What a message carries for a body.
struct CarriedBody {
  let payload: [UInt8]
  /// Of the body itself, wherever they lie.
  let bytes: Int
  /// Held for as long as messages that refer to it are sent or work on it is waited for.
  let blob: Blob?
}

extension Agent {
  /// Writes the bytes that a payload stands for: those of its blob, or its own.
  func write(_ payload: [UInt8]) throws {
    guard let reference = BlobReference(payload) else { return try Output.write(payload) }
    try Output.write(try openBlob(reference))
  }
}
