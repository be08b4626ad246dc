import BinaryComm
import BusWire
import Testing

@Suite("What arrives in an inbox, judged")
struct InboundFilterTests {
  private static func header(hops: UInt8 = 0, items: Int = 0) -> HeaderWords {
    HeaderWords(
      MessageHeader(
        type: .request, hops: hops, extensionLength: UInt16(items), source: .zero,
        destination: .zero))
  }

  private static func items(
    _ deadlineNs: UInt64?, conversation: BusUUID? = nil, topic: String? = nil
  ) throws -> [UInt8] {
    var items = MessageExtension()
    items.deadlineNs = deadlineNs
    items.conversationId = conversation
    items.topic = topic
    return try items.encoded()
  }

  private static func context(
    _ words: HeaderWords, _ items: [UInt8] = [], isRequest: Bool = true
  ) throws(Refusal) -> MessageContext {
    try InboundFilter.context(words, items.span.rawBytes, isRequest: isRequest) { 1000 }
  }

  private static func refusal(_ body: () throws(Refusal) -> Void) -> Refusal? {
    do throws(Refusal) {
      try body()
      return nil
    } catch { return error }
  }

  @Test("a request without a deadline has the usual one, an event none; each is a hop further")
  func usual() throws {
    let words = Self.header(hops: 3)
    let request = try Self.context(words)
    #expect(request.deadlineNs == 1000 + WireLimit.deadlineDefaultNs && request.hops == 4)
    let event = try Self.context(words, isRequest: false)
    #expect(event.deadlineNs == nil && event.hops == 4)
  }

  @Test("a deadline counts from when the message was sent, alone in its extension or with others")
  func deadlines() throws {
    let alone = try Self.items(77)
    let words = Self.header(items: alone.count)
    #expect(try Self.context(words, alone).deadlineNs == 1077)
    #expect(try Self.context(words, alone, isRequest: false).deadlineNs == 1077)
    let conversation = BusUUID(agentName: "talk")
    let full = try Self.items(5, conversation: conversation)
    let found = try Self.context(Self.header(items: full.count), full)
    #expect(found.deadlineNs == 1005 && found.conversation == conversation)
    let endless = try Self.items(.max)
    #expect(try Self.context(words, endless).deadlineNs == .max)
  }

  @Test("the extension of a deadline alone is written as the wire has it")
  func loneDeadline() throws {
    for left in [0, 1, 77, UInt64(UInt32.max) + 5, .max] {
      let wire = try Self.items(left)
      #expect(LoneDeadline.timeLeft(wire.span.rawBytes) == left)
      let item = LoneDeadline(left)
      #expect(item.bytes.copied == wire)
    }
    let other = try Self.items(nil, topic: "a.b.c.d.ef")
    #expect(LoneDeadline.timeLeft(other.span.rawBytes) == nil)
  }

  @Test("what went too far, or is not understood, is refused with a reason")
  func refused() throws {
    let far = Self.header(hops: WireLimit.hopsMax + 1)
    let tooFar = Self.refusal { () throws(Refusal) in _ = try Self.context(far) }
    #expect(tooFar?.reason == .tooManyHops && tooFar?.error.code == .tooManyHops)
    let words = Self.header(items: 8)
    let junk: [UInt8] = [255, 255, 255, 255, 1, 2, 3, 4]
    let malformed = Self.refusal { () throws(Refusal) in _ = try Self.context(words, junk) }
    #expect(malformed?.reason == .malformed && malformed?.error.code == .invalid)
  }

  @Test("a cancelled request is cancelled, also when its time is over; a late one is late")
  func wanted() {
    let context = MessageContext(deadlineNs: 100)
    func check(_ isCancelled: Bool, _ nowNs: UInt64) -> Refusal? {
      Self.refusal { () throws(Refusal) in
        try InboundFilter.checkWanted(context, isCancelled: isCancelled, nowNs: nowNs)
      }
    }
    #expect(check(false, 99) == nil)
    #expect(check(false, 100)?.reason == .expired && check(true, 100)?.reason == .cancelled)
  }

  @Test("a name is answered where the policy lets its sender call it, and by the same number again")
  func services() throws {
    var served = ServedNames(own: "agent")
    let number = served.add("svc.one")
    let all = [try TopicPattern("svc.>"), try TopicPattern("agent")]
    #expect(try InboundFilter.service("agent", among: served, mayCall: all) == 0)
    #expect(try InboundFilter.service("svc.one", among: served, mayCall: all) == number)
    func refusal(_ name: String, _ mayCall: [TopicPattern]) -> Refusal? {
      Self.refusal { () throws(Refusal) in
        _ = try InboundFilter.service(name, among: served, mayCall: mayCall)
      }
    }
    #expect(refusal("svc.one", [])?.reason == .denied)
    #expect(refusal("not a name!", all)?.reason == .denied)
    #expect(refusal("svc.two", all)?.reason == .unknownName)
    served.remove("svc.one")
    served.remove("agent")
    #expect(refusal("svc.one", all)?.reason == .unknownName && refusal("agent", all) == nil)
    #expect(served.number(of: "svc.one") == number)
    #expect(served.add("svc.two") == number + 1 && served.add("svc.one") == number)
  }
}

@Suite("Requests of one peer, and its cancels")
struct InboundRequestsTests {
  @Test("a cancel goes to the program for a request that may have come, and stops one that has not")
  func cancels() {
    var requests = InboundRequests()
    requests.heard(4)
    // Numbers 0 to 4 have come.
    let came = requests.cancel(7, 4)
    let later = requests.cancel(8, 5)
    let urgent = requests.cancel(9, nil)
    #expect(came && !later && urgent)
    let answers = [(8, 6), (8, 5), (8, 5), (9, 0)].map { id, number in
      requests.isCancelled(UInt32(id), UInt64(number))
    }
    #expect(answers == [false, true, false, false])
  }

  @Test("a new log begins at its own numbers, and an old one's last messages may still come")
  func logs() {
    var requests = InboundRequests()
    requests.heard(100)
    requests.begin()
    let again = requests.cancel(1, 0)
    #expect(!again)
    requests.heard(3)
    requests.heard(1)
    let seen = requests.cancel(2, 3)
    #expect(seen)
  }
}
