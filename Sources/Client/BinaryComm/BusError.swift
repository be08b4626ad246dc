import BusMemory
public import BusWire
import Glibc

/// What went wrong, with the details of this case; one enum for every call.
///
/// Where one code has several reasons, ``cause`` tells them apart for programs, and ``remedy``
/// says what to do about this one; the details are for people.
public enum BusError: Error, Equatable, Sendable {
  /// A name, topic, size or option breaks a rule.
  case invalid(String)
  /// The policy does not allow it, or there is no such thing.
  case denied(String)
  /// No router answers in the run directory.
  case noRouter(String)
  /// The answer did not come in time.
  case timeout(String, cause: BusErrorCause? = nil)
  /// No room: the arena, a quota, or the window of a slow lossless reader.
  case resourceExhausted(String, cause: BusErrorCause? = nil)
  /// The payload exceeds what this channel's logs can hold.
  case payloadTooLarge(bytes: Int, limit: Int)
  /// Router and client are of different versions.
  case incompatibleVersion(String)
  /// A living agent holds the name.
  case nameInUse(String)
  /// This incarnation was ended while the agent was away.
  case fenced(String)
  /// This lossless reader fell out of the window; the last batch of it is void.
  case evicted(String)
  /// The agent, publisher or reader was closed.
  case closed(String)
  /// The window is full and the call may not wait.
  case wouldBlock
  /// A publisher's log holds bytes that cannot be a record.
  case corrupt(String)
  /// The operating system refused a call.
  case system(String)
  /// Nobody answers this service.
  case noResponders(String)
  /// The other agent ended before it answered.
  case peerDied(String)
  /// The responder answered with an error: its code, of its own from 1000 on, and its text.
  case failed(code: UInt32, String)
  /// The request was stopped before it was answered.
  case cancelled(String)
  /// The conversation sent more than its limit allows.
  case rateLimited(String)
  /// The message was passed on too often.
  case tooManyHops(String)
  /// What a reference names is not there, or no longer.
  case notFound(String, cause: BusErrorCause? = nil)

  /// The stable code, with exit code, meaning and remedy.
  public var code: BusErrorCode {
    switch self {
    case .invalid: .invalid
    case .denied: .denied
    case .noRouter: .noRouter
    case .timeout: .timeout
    case .resourceExhausted: .resourceExhausted
    case .payloadTooLarge: .payloadTooLarge
    case .incompatibleVersion: .incompatibleVersion
    case .nameInUse: .nameInUse
    case .fenced: .fenced
    case .evicted: .evicted
    case .closed: .closed
    case .wouldBlock: .wouldBlock
    case .corrupt: .corrupt
    case .system: .system
    case .noResponders: .noResponders
    case .peerDied: .peerDied
    case .failed: .failed
    case .cancelled: .cancelled
    case .rateLimited: .rateLimited
    case .tooManyHops: .tooManyHops
    case .notFound: .notFound
    }
  }

  /// The details of this case.
  public var detail: String {
    switch self {
    case .invalid(let text), .denied(let text), .noRouter(let text), .timeout(let text, _),
      .resourceExhausted(let text, _), .incompatibleVersion(let text), .nameInUse(let text),
      .fenced(let text), .evicted(let text), .closed(let text), .corrupt(let text),
      .system(let text), .noResponders(let text), .peerDied(let text), .cancelled(let text),
      .rateLimited(let text), .tooManyHops(let text), .notFound(let text, _):
      text
    case .failed(let code, let text): text.isEmpty ? "code \(code)" : "\(text) (code \(code))"
    case .wouldBlock: "the window is full"
    case .payloadTooLarge(let bytes, let limit):
      "the payload has \(bytes) bytes; on this channel at most \(limit) are possible"
    }
  }

  /// Which of its code's reasons it was, where that is known.
  public var cause: BusErrorCause? {
    switch self {
    case .timeout(_, let cause), .resourceExhausted(_, let cause), .notFound(_, let cause):
      cause?.code == code ? cause : nil
    default: nil
    }
  }

  /// What to do next, one sentence: by the cause, else by the code.
  public var remedy: String { cause?.remedy ?? code.remedy }

  /// The number that stands for it on the wire: the cause's, which says more, or the code's.
  var number: UInt16 { cause?.rawValue ?? code.rawValue }

  /// The error of a number that came over the wire.
  init(number: UInt16, text: String) {
    let cause = BusErrorCause(rawValue: number)
    switch BusErrorCode(number: number) ?? .system {
    case .invalid: self = .invalid(text)
    case .denied: self = .denied(text)
    case .noRouter: self = .noRouter(text)
    case .timeout: self = .timeout(text, cause: cause)
    case .resourceExhausted, .wouldBlock: self = .resourceExhausted(text, cause: cause)
    case .payloadTooLarge: self = .invalid(text)
    case .incompatibleVersion: self = .incompatibleVersion(text)
    case .nameInUse: self = .nameInUse(text)
    case .fenced: self = .fenced(text)
    case .evicted: self = .evicted(text)
    case .closed: self = .closed(text)
    case .corrupt: self = .corrupt(text)
    case .system: self = .system(text)
    case .noResponders: self = .noResponders(text)
    case .peerDied: self = .peerDied(text)
    case .failed: self = .failed(code: UInt32(number), text)
    case .cancelled: self = .cancelled(text)
    case .rateLimited: self = .rateLimited(text)
    case .tooManyHops: self = .tooManyHops(text)
    case .notFound: self = .notFound(text, cause: cause)
    }
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
