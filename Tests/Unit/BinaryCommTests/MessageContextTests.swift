import BinaryComm
import BusWire
import Testing

/// What a message passes on is kept in flat words; it reads as the optionals it stands for.
@Suite("Message context")
struct MessageContextTests {
  static let conversation = BusUUID(agentName: "a talk")
  static let trace = TraceContext(traceId: BusUUID(agentName: "a trace"), parentId: 7, flags: 1)

  @Test("A fresh one holds nothing")
  func fresh() {
    let context = MessageContext()
    #expect(context.deadlineNs == nil)
    #expect(context.hops == 0)
    #expect(context.conversation == nil)
    #expect(context.trace == nil)
  }

  @Test("What is put in comes out, in any combination", arguments: 0..<8)
  func combinations(which: Int) {
    let deadline: UInt64? = which & 1 != 0 ? 5 : nil
    let conversation = which & 2 != 0 ? Self.conversation : nil
    let trace = which & 4 != 0 ? Self.trace : nil
    let made = MessageContext(
      deadlineNs: deadline, hops: 3, conversation: conversation, trace: trace)
    var set = MessageContext(hops: 3)
    set.trace = trace
    set.conversation = conversation
    set.deadlineNs = deadline
    for context in [made, set] {
      #expect(context.deadlineNs == deadline)
      #expect(context.conversation == conversation)
      #expect(context.trace == trace)
    }
    #expect(made == set)
  }

  @Test("A deadline that never comes is one: without it a responder takes the usual time")
  func farDeadline() {
    #expect(MessageContext(deadlineNs: .max).deadlineNs == .max)
    #expect(MessageContext(deadlineNs: .max).timeLeft(5) == UInt64.max - 5)
    #expect(MessageContext(deadlineNs: .max) != MessageContext())
  }

  @Test("What was taken out leaves no trace, and one that is all zero is still one")
  func removal() {
    var context = MessageContext(
      deadlineNs: 5, conversation: Self.conversation, trace: Self.trace)
    context.conversation = nil
    context.trace = nil
    context.deadlineNs = nil
    #expect(context == MessageContext())
    let zero = BusUUID(word0: 0, word1: 0)
    context.conversation = zero
    #expect(context.conversation == zero)
    #expect(context != MessageContext())
  }
}
