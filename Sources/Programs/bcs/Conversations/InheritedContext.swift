import BinaryComm
import BusSystem
import BusWire

/// What a command that works on a request passes on to those it sends in turn.
///
/// `bcs reply --exec` puts it into the environment of its commands, and `bcs req`, `tell` and
/// `trace` take it from there: a loop of command lines ends as a loop of agents does, and nobody
/// works longer than its requester waits.
enum InheritedContext {
  private static let deadline = "BCS_DEADLINE_MS"
  private static let conversation = "BCS_CONVERSATION"
  private static let hops = "BCS_HOPS"

  /// The variables for a command that works on a request.
  static func variables(of context: MessageContext, timeLeftNs left: UInt64?) -> [(String, String)]
  {
    [
      (deadline, left.map { "\($0 / 1_000_000)" } ?? ""),
      (conversation, context.conversation.map { "\($0)" } ?? ""),
      (hops, "\(context.hops)"),
    ]
  }

  /// What this process was started with; work that starts here, where it was by nobody's request.
  static var own: MessageContext {
    var context = MessageContext(
      conversation: ProcessEnvironment.variable(conversation).flatMap { BusUUID($0) })
    if let left = ProcessEnvironment.variable(deadline).flatMap({ UInt64($0) }) {
      let (span, isTooLong) = left.multipliedReportingOverflow(by: 1_000_000)
      let (end, isEndless) = System.monotonicNs.addingReportingOverflow(span)
      if !isTooLong, !isEndless { context.deadlineNs = end }
    }
    if let passed = ProcessEnvironment.variable(hops).flatMap({ UInt($0) }) {
      context.hops = UInt8(clamping: passed)
    }
    return context
  }
}
