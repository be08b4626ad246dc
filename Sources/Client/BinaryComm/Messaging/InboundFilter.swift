import BusCounters
import BusWire

/// Why a message of the inbox is not handed to the program.
package struct Refusal: Error {
  /// What it is counted as.
  package let reason: DropReason
  /// What its sender is told, if it asked something.
  package let error: BusError
}

/// Judges what arrives in an inbox: whether it is understood and in time, whom it is for, and
/// whether its sender may call that.
///
/// Plain functions: they see copies of what a message says of itself, and the time.
package enum InboundFilter {
  /// What a message passes on.
  ///
  /// `items`: the bytes of its extension; `sentNs`: when it was sent, by the monotonic clock.
  @inline(__always)
  package static func context(
    _ words: HeaderWords, _ items: RawSpan, isRequest: Bool, sentNs: () -> UInt64
  ) throws(Refusal) -> MessageContext {
    guard words.hops <= WireLimit.hopsMax else {
      let why = BusError.tooManyHops("the work was passed on \(words.hops) times")
      throw Refusal(reason: .tooManyHops, error: why)
    }
    var context = MessageContext(hops: words.hops + 1)
    let lone = LoneDeadline.timeLeft(items)
    if let left = lone ?? (isRequest ? WireLimit.deadlineDefaultNs : nil) {
      context.deadlineNs = sentNs().addingSaturated(left)
    }
    guard words.extensionLength > 0, lone == nil else { return context }
    // A copy: the sender could change the bytes between the check of a text and its use.
    try read(items.copied, into: &context, sentNs: sentNs)
    return context
  }

  /// Reads what an extension of any kind passes on.
  @inline(never)
  private static func read(
    _ bytes: [UInt8], into context: inout MessageContext, sentNs: () -> UInt64
  ) throws(Refusal) {
    let items: MessageExtension
    do throws(WireError) {
      items = try MessageExtension(decoding: bytes)
    } catch {
      let why = BusError.invalid("the message's extension is not understood: \(error)")
      throw Refusal(reason: .malformed, error: why)
    }
    if let left = items.deadlineNs { context.deadlineNs = sentNs().addingSaturated(left) }
    context.conversation = items.conversationId
    context.trace = items.traceContext
  }

  /// Which of this agent's names a message is for.
  package static func service(
    _ name: String, among served: ServedNames, mayCall: [TopicPattern]
  ) throws(Refusal) -> Int {
    guard let topic = try? Topic(name), mayCall.contains(where: { $0.matches(topic) }) else {
      let why = BusError.denied("the policy does not allow this call, or there is no such service")
      throw Refusal(reason: .denied, error: why)
    }
    guard let number = served.answered(name) else {
      let why = BusError.noResponders("\(served.own) does not answer \(name)")
      throw Refusal(reason: .unknownName, error: why)
    }
    return number
  }

  /// Refuses a request that was cancelled, or whose time is over.
  package static func checkWanted(
    _ context: MessageContext, isCancelled: Bool, nowNs: UInt64
  ) throws(Refusal) {
    if isCancelled {
      let why = BusError.cancelled("the request was stopped before it was started")
      throw Refusal(reason: .cancelled, error: why)
    }
    if let deadline = context.deadlineNs, deadline <= nowNs {
      let why = BusError.timeout("the request's time was over before it was started")
      throw Refusal(reason: .expired, error: why)
    }
  }
}
