import BinaryComm
import BusSystem
import BusWire

/// What a command that works on a request passes on to those it sends in turn.
///
/// `bcs reply --exec` puts it into the environment of its commands, and `bcs req`, `tell` and
/// `trace` take it from there: a loop of command lines ends as a loop of agents does, and nobody
/// works longer than its requester waits.
enum InheritedContext {
  /// What is left of the requester's time when the command is started, for scripts to read.
  private static let span = "BCS_DEADLINE_MS"
  /// The same as a moment of CLOCK_MONOTONIC: a command that works first, or that asks more than
  /// once, has no more time for it.
  private static let end = "BCS_DEADLINE_NS"
  private static let conversation = "BCS_CONVERSATION"
  private static let hops = "BCS_HOPS"

  /// The variables for a command that works on a request.
  static func variables(of context: MessageContext, timeLeftNs left: UInt64?) -> [(String, String)]
  {
    [
      (span, left.map { "\($0 / 1_000_000)" } ?? ""),
      (end, context.deadlineNs.map { "\($0)" } ?? ""),
      (conversation, context.conversation.map { "\($0)" } ?? ""),
      (hops, "\(context.hops)"),
    ]
  }

  /// What this process was started with; work that starts here, where it was by nobody's request.
  static var own: MessageContext {
    var context = MessageContext(
      conversation: ProcessEnvironment.variable(conversation).flatMap { BusUUID($0) })
    context.deadlineNs = deadlineNs
    if let passed = ProcessEnvironment.variable(hops).flatMap({ UInt($0) }) {
      context.hops = UInt8(clamping: passed)
    }
    return context
  }

  /// When the work is over; nil: never.
  ///
  /// The earlier one where both are given: whoever sets the span alone, or a shorter one, means it.
  /// What is no number is nobody's request, as are spans that are too long to have an end.
  private static var deadlineNs: UInt64? {
    let given = ProcessEnvironment.variable(end).flatMap { UInt64($0) }
    guard let left = ProcessEnvironment.variable(span).flatMap({ UInt64($0) }) else { return given }
    let (spanNs, isTooLong) = left.multipliedReportingOverflow(by: 1_000_000)
    let (endNs, isEndless) = System.monotonicNs.addingReportingOverflow(spanNs)
    guard !isTooLong, !isEndless else { return given }
    return min(endNs, given ?? .max)
  }
}
