/// Which of the reasons for an error's code it was, as a stable number that crosses the wire.
///
/// Every cause belongs to one code and takes its place where an error is sent, so that whoever is
/// told chooses what to advise by a number and never by the words of a text, which another agent
/// may have written.
public enum BusErrorCause: UInt16, CaseIterable, Sendable {
  // Of RESOURCE_EXHAUSTED.
  /// A process has as many descriptors as it may have.
  case descriptors = 100
  /// A process is short of memory, or of address space for it.
  case memory = 101
  /// Shared memory would be larger than the limit of the size of files, which holds for it.
  case fileSize = 102
  /// As much as is kept of this waits already.
  case queue = 103
  /// A lossless reader keeps the window of its publisher full.
  case slowReader = 104
  /// More than a fixed limit of the bus allows.
  case limit = 105
  /// A responder's program wrote more than its responder allows.
  case outputLimit = 106
  /// A reply is larger than what is kept of one that is shown when it is whole.
  case heldReply = 107

  // Of TIMEOUT.
  /// The router did not answer.
  case silentRouter = 120
  /// The work took longer than its responder allows.
  case timeLimit = 121
  /// The requester's deadline ended the work.
  case deadline = 122

  // Of NOT_FOUND.
  /// A blob was dropped, or its time is over.
  case blobGone = 130

  /// The code it is a reason for.
  public var code: BusErrorCode {
    switch self {
    case .descriptors, .memory, .fileSize, .queue, .slowReader, .limit, .outputLimit, .heldReply:
      .resourceExhausted
    case .silentRouter, .timeLimit, .deadline: .timeout
    case .blobGone: .notFound
    }
  }

  /// What to do next, one sentence.
  public var remedy: String {
    switch self {
    case .descriptors: "Raise the limit of open files (`ulimit -n`), or end what holds them."
    case .memory: "Raise the memory limit of the process (`ulimit -v`), or free memory."
    case .fileSize:
      "Raise the limit of the size of files (`ulimit -f`, or LimitFSIZE= of a service)."
    case .queue: "Send less at a time, or try again when some of it is done."
    case .slowReader: "Find the slow reader with `bcs channel`, or let it read lossily."
    case .limit: "Keep below the limit in the message, or spread the work over more agents."
    case .outputLimit: "Start the responder with a larger --output-limit, or ask for less."
    case .heldReply: "Have its parts shown as they come, with --stream."
    case .silentRouter: "It may be stopped or busy: `bcs doctor` names its process."
    case .timeLimit: "Start the responder with a longer --time-limit."
    case .deadline: "Give the request more time, as with --timeout."
    case .blobGone: "Have it sent again; whoever makes a blob says how long it is kept."
    }
  }
}

extension BusErrorCode {
  /// The code of a number on the wire: its own, or that of one of its causes.
  public init?(number: UInt16) {
    guard let code = BusErrorCause(rawValue: number)?.code ?? Self(rawValue: number) else {
      return nil
    }
    self = code
  }
}
