import BusMemory
public import BusWire
import Glibc

/// What went wrong: a stable code, the details, and what to do; one type for every call.
///
/// ```swift
/// do {
///   try await agent.publish("alerts.disk", bytes)
/// } catch {
///   if error.code == .denied { print(error.remedy) }
/// }
/// ```
/// Where one code has several reasons, ``cause`` tells them apart for programs, and ``remedy``
/// says what to do about this one; the details are for people. Codes and causes may become more.
public struct BusError: Error, Equatable, Sendable {
  /// The stable code, with exit code, meaning and remedy.
  public let code: BusErrorCode
  /// Which of its code's reasons it was, where that is known.
  public let cause: BusErrorCause?
  /// The responder's own code, from 1000 on, where it answered with an error of its own.
  public let serviceCode: UInt32?
  /// The details without that code.
  let text: String

  private init(
    _ code: BusErrorCode, _ text: String, _ cause: BusErrorCause? = nil, serviceCode: UInt32? = nil
  ) {
    self.code = code
    self.text = text
    self.cause = cause?.code == code ? cause : nil
    self.serviceCode = serviceCode
  }

  /// What happened, for people.
  public var detail: String {
    guard let serviceCode else { return text }
    return text.isEmpty ? "code \(serviceCode)" : "\(text) (code \(serviceCode))"
  }

  /// What to do next, one sentence: by the cause, else by the code.
  public var remedy: String { cause?.remedy ?? code.remedy }

  /// The number that stands for it on the wire: the cause's, which says more, or the code's.
  var number: UInt16 { cause?.rawValue ?? code.rawValue }

  /// The error of a number that came over the wire.
  package init(number: UInt16, text: String) {
    let code = BusErrorCode(number: number) ?? .system
    switch code {
    // The responder's window, which is not this one's.
    case .wouldBlock: self.init(.resourceExhausted, text)
    case .payloadTooLarge: self.init(.invalid, text)
    case .failed: self.init(.failed, text, serviceCode: UInt32(number))
    default: self.init(code, text, BusErrorCause(rawValue: number))
    }
  }
}

extension BusError {
  /// A name, topic, size or option breaks a rule.
  public static func invalid(_ text: String) -> BusError { BusError(.invalid, text) }
  /// The policy does not allow it, or there is no such thing.
  public static func denied(_ text: String) -> BusError { BusError(.denied, text) }
  /// No router answers in the run directory.
  public static func noRouter(_ text: String) -> BusError { BusError(.noRouter, text) }
  /// Router and client are of different versions.
  public static func incompatibleVersion(_ text: String) -> BusError {
    BusError(.incompatibleVersion, text)
  }
  /// A living agent holds the name.
  public static func nameInUse(_ text: String) -> BusError { BusError(.nameInUse, text) }
  /// This incarnation was ended while the agent was away.
  public static func fenced(_ text: String) -> BusError { BusError(.fenced, text) }
  /// This lossless reader fell out of the window; the last batch of it is void.
  public static func evicted(_ text: String) -> BusError { BusError(.evicted, text) }
  /// The agent, publisher or reader was closed.
  public static func closed(_ text: String) -> BusError { BusError(.closed, text) }
  /// A publisher's log holds bytes that cannot be a record.
  public static func corrupt(_ text: String) -> BusError { BusError(.corrupt, text) }
  /// The operating system refused a call.
  public static func system(_ text: String) -> BusError { BusError(.system, text) }
  /// Nobody answers this service.
  public static func noResponders(_ text: String) -> BusError { BusError(.noResponders, text) }
  /// The other agent ended before it answered.
  public static func peerDied(_ text: String) -> BusError { BusError(.peerDied, text) }
  /// The request was stopped before it was answered.
  public static func cancelled(_ text: String) -> BusError { BusError(.cancelled, text) }
  /// The conversation sent more than its limit allows.
  public static func rateLimited(_ text: String) -> BusError { BusError(.rateLimited, text) }
  /// The message was passed on too often.
  public static func tooManyHops(_ text: String) -> BusError { BusError(.tooManyHops, text) }
  /// The answer did not come in time.
  public static func timeout(_ text: String, cause: BusErrorCause? = nil) -> BusError {
    BusError(.timeout, text, cause)
  }
  /// No room: the arena, a quota, or the window of a slow lossless reader.
  public static func resourceExhausted(_ text: String, cause: BusErrorCause? = nil) -> BusError {
    BusError(.resourceExhausted, text, cause)
  }
  /// What a reference names is not there, or no longer.
  public static func notFound(_ text: String, cause: BusErrorCause? = nil) -> BusError {
    BusError(.notFound, text, cause)
  }
  /// The window is full and the call may not wait.
  public static var wouldBlock: BusError { BusError(.wouldBlock, "the window is full") }
  /// The payload exceeds what this channel's logs can hold.
  public static func payloadTooLarge(bytes: Int, limit: Int) -> BusError {
    BusError(
      .payloadTooLarge,
      "the payload has \(bytes) bytes; on this channel at most \(limit) are possible")
  }
  /// The responder answered with an error: its code, of its own from 1000 on, and its text.
  public static func failed(code: UInt32, _ text: String) -> BusError {
    BusError(.failed, text, serviceCode: code)
  }
}

extension BusError: CustomStringConvertible {
  /// The code's name, the details, and what to do next.
  public var description: String {
    // The router's details are sentences.
    "\(code.name): \(detail)\(detail.hasSuffix(".") ? "" : ".") \(remedy)"
  }
}

extension BusError {
  /// The memory for something could not be made or mapped.
  static func noMemory(_ what: String, _ error: MemoryError) -> BusError {
    .resourceExhausted("\(what): \(error.message)", cause: error.cause)
  }
}

extension MemoryError {
  /// What ran out, where the kernel's number says it.
  var cause: BusErrorCause? {
    guard case .system(_, let number) = self else { return nil }
    return switch number {
    case EMFILE, ENFILE: .descriptors
    case EFBIG: .fileSize
    case ENOMEM, ENOSPC, EAGAIN: .memory
    default: nil
    }
  }
}
