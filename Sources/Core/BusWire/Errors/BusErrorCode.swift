/// What went wrong, as a stable number: on the control socket, in the C ABI and in `bcs errors`.
///
/// One table for every language and tool: the name, the exit code of command-line programs, what
/// happened, and what to do next.
public enum BusErrorCode: UInt16, CaseIterable, Sendable {
  case invalid = 1
  case denied = 2
  case noRouter = 3
  case timeout = 4
  case resourceExhausted = 5
  case payloadTooLarge = 6
  case incompatibleVersion = 7
  case nameInUse = 8
  case fenced = 9
  case evicted = 10
  case closed = 11
  case wouldBlock = 12
  case corrupt = 13
  case system = 14
  case noResponders = 15
  case peerDied = 16
  case failed = 17
  case cancelled = 18
  case rateLimited = 19
  case tooManyHops = 20
  /// What a reference names is not there, or no longer.
  case notFound = 21

  /// The name in messages and documents, such as `RESOURCE_EXHAUSTED`.
  public var name: String { entry.name }
  /// The exit code of a command-line program that ends with this error.
  public var exitCode: Int32 { entry.exit }
  /// What happened, one sentence.
  public var meaning: String { entry.meaning }
  /// What to do next, one sentence.
  public var remedy: String { entry.remedy }

  /// The code with this name, compared without regard to case; `-` and `_` are the same.
  public init?(name: String) {
    let wanted = name.uppercased().split(separator: "-").joined(separator: "_")
    guard let found = Self.allCases.first(where: { $0.name == wanted }) else { return nil }
    self = found
  }

  private struct Entry {
    let name: String
    let exit: Int32
    let meaning: String
    let remedy: String
  }

  private var entry: Entry {
    switch self {
    case .invalid:
      Entry(
        name: "INVALID", exit: 1,
        meaning: "The request is malformed: a name, topic, size or frame breaks a rule.",
        remedy: "Read the rule in the message and correct the call.")
    case .denied:
      Entry(
        name: "DENIED", exit: 5,
        meaning: "The policy does not allow this, or there is no such thing to allow.",
        remedy: "Ask for the right in the router's policy file; its log names the rule.")
    case .noRouter:
      Entry(
        name: "NO_ROUTER", exit: 69,
        meaning: "No router answers on the run directory's socket.",
        remedy: "Start one with `bcs up`, or name its directory with --dir or BCS_DIR.")
    case .timeout:
      Entry(
        name: "TIMEOUT", exit: 4,
        meaning: "The answer did not come within the time given.",
        remedy: "Give more time, or see with `bcs agent` whether the other side is stopped.")
    default: rareEntry
    }
  }

  private var rareEntry: Entry {
    switch self {
    case .resourceExhausted:
      Entry(
        name: "RESOURCE_EXHAUSTED", exit: 6,
        meaning: "No room: the arena budget, a quota, or the window of a slow lossless reader.",
        remedy: "Raise --arena or the quota, or find the slow reader with `bcs channel`.")
    case .payloadTooLarge:
      Entry(
        name: "PAYLOAD_TOO_LARGE", exit: 1,
        meaning: "The payload is larger than 16 MiB or a quarter of the channel's largest log.",
        remedy: "Send a blob (--blob, makeBlob), split it, or raise the channel's log size.")
    case .incompatibleVersion:
      Entry(
        name: "INCOMPATIBLE_VERSION", exit: 7,
        meaning: "Router and client speak different layout or protocol versions.",
        remedy: "Install the same release for both and restart the older one.")
    case .nameInUse:
      Entry(
        name: "NAME_IN_USE", exit: 1,
        meaning: "A living agent holds this name.",
        remedy: "Choose another with --name, or end the holder; `bcs agent` shows its pid.")
    case .fenced:
      Entry(
        name: "FENCED", exit: 1,
        meaning: "This incarnation was ended while the agent was away or stopped.",
        remedy: "Register again: the agent gets a new incarnation and new logs.")
    case .evicted:
      Entry(
        name: "EVICTED", exit: 1,
        meaning: "This lossless reader held its publisher back longer than the policy allows.",
        remedy: "Subscribe again, lossy if it cannot keep up; the gap is counted.")
    default: lastEntry
    }
  }

  private var lastEntry: Entry {
    switch self {
    case .closed:
      Entry(
        name: "CLOSED", exit: 1, meaning: "The agent, publisher or reader was closed.",
        remedy: "Open a new one.")
    case .wouldBlock:
      Entry(
        name: "WOULD_BLOCK", exit: 1,
        meaning: "The window is full and the call was not allowed to wait.",
        remedy: "Try again, or use publish(timeout:).")
    case .corrupt:
      Entry(
        name: "CORRUPT", exit: 1,
        meaning: "A publisher's log holds bytes that cannot be a record; the stream is dropped.",
        remedy: "Restart that publisher; it broke its own memory.")
    case .noResponders:
      Entry(
        name: "NO_RESPONDERS", exit: 3, meaning: "Nobody answers this service.",
        remedy: "Start an agent that does; `bcs agent` lists what is there.")
    case .peerDied:
      Entry(
        name: "PEER_DIED", exit: 1, meaning: "The other agent ended before it answered.",
        remedy: "Try again; another responder or its next incarnation may answer.")
    default: conversationEntry
    }
  }

  private var conversationEntry: Entry {
    switch self {
    case .failed:
      Entry(
        name: "FAILED", exit: 8, meaning: "The responder answered with an error of its own.",
        remedy: "Read its code and text in the message; the responder's log says more.")
    case .cancelled:
      Entry(
        name: "CANCELLED", exit: 9, meaning: "The request was stopped before it was answered.",
        remedy: "Nothing is left of it; ask again if it is still wanted.")
    case .rateLimited:
      Entry(
        name: "RATE_LIMITED", exit: 10,
        meaning: "The conversation sent more messages than its limit allows, as a loop would.",
        remedy: "Find out who answers whom, then reset the conversation or raise its limit.")
    case .tooManyHops:
      Entry(
        name: "TOO_MANY_HOPS", exit: 10,
        meaning: "The message was passed on from agent to agent more often than is allowed.",
        remedy: "Break the circle of agents that call each other.")
    case .notFound:
      Entry(
        name: "NOT_FOUND", exit: 1,
        meaning: "What was named is not there, or no longer.",
        remedy: "Have it sent again; whoever makes a blob says how long it is kept.")
    default:
      Entry(
        name: "SYSTEM", exit: 1, meaning: "The operating system refused a call.",
        remedy: "Read the reason in the message; `bcs doctor` shows limits and features.")
    }
  }
}
