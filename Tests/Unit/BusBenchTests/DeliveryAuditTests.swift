import BusBench
import BusTestSupport
import Testing

@Suite("No message is counted that was not received and checked")
struct DeliveryAuditTests {
  private func audit(_ sequences: [UInt64], last: UInt64? = nil) -> DeliveryAudit {
    var audit = DeliveryAudit(publishers: 1)
    for sequence in sequences {
      let identity = MessageIdentity(publisher: 0, sequence: sequence, isLast: sequence == last)
      audit.take(identity, intact: true)
    }
    return audit
  }

  @Test("An identity is its publisher, its number and whether it is the last")
  func identity() {
    let identity = MessageIdentity(publisher: 63, sequence: 0xFFFF_FFFF_FFFF, isLast: true)
    let same = MessageIdentity(word: identity.word)
    #expect(same.publisher == 63)
    #expect(same.sequence == 0xFFFF_FFFF_FFFF)
    #expect(same.isLast)
    #expect(MessageIdentity(publisher: 0, sequence: 0, isLast: false).word == 0)
  }

  @Test("In order: all received, nothing else, open until the last")
  func inOrder() {
    var clean = audit([0, 1, 2, 3])
    #expect(clean.received == 4)
    #expect(clean.open == 1)
    #expect(clean.hasReached(4))
    #expect(!clean.hasReached(5))
    clean.take(MessageIdentity(publisher: 0, sequence: 4, isLast: true), intact: true)
    #expect(clean.open == 0)
    #expect(clean.lost + clean.duplicate + clean.outOfOrder + clean.corrupt == 0)
  }

  @Test("A gap is lost, unless it is filled later: then that is out of order")
  func gaps() {
    let lost = audit([0, 1, 5])
    #expect(lost.lost == 3)
    #expect(lost.received == 3)
    let filled = audit([0, 1, 5, 3])
    #expect(filled.lost == 2)
    #expect(filled.outOfOrder == 1)
    #expect(filled.received == 4)
  }

  @Test("What came before is a duplicate, also behind the last")
  func duplicates() {
    let twice = audit([0, 1, 1, 2, 0], last: 2)
    #expect(twice.duplicate == 2)
    #expect(twice.received == 3)
    #expect(twice.open == 0)
    #expect(audit([0, 1, 5, 3, 3]).duplicate == 1)
  }

  @Test("Publishers in turns are audited each for itself")
  func turns() {
    var audit = DeliveryAudit(publishers: 3)
    for sequence in 0..<10 {
      for publisher in [2, 0, 1] where (publisher, sequence) != (1, 4) {
        let identity = MessageIdentity(
          publisher: publisher, sequence: UInt64(sequence), isLast: sequence == 9)
        audit.take(identity, intact: true)
      }
      #expect(audit.hasReached(UInt64(sequence)))
    }
    #expect(audit.received == 29)
    #expect(audit.lost == 1)
    #expect(audit.duplicate + audit.outOfOrder == 0)
    #expect(audit.open == 0)
    #expect(audit.hasReached(10))
  }

  @Test("Bytes that are wrong are corrupt and count as nothing else")
  func corrupt() {
    var audit = DeliveryAudit(publishers: 2)
    audit.take(MessageIdentity(publisher: 0, sequence: 0, isLast: true), intact: false)
    audit.take(MessageIdentity(publisher: 7, sequence: 0, isLast: false), intact: true)
    audit.noteUnreadable()
    #expect(audit.corrupt == 3)
    #expect(audit.received == 0)
    #expect(audit.open == 2)
  }

  @Test("Any order of deliveries adds up", arguments: 0..<20)
  func anyOrder(round: Int) {
    var random = SplitMix64(seed: UInt64(round))
    let sent = (0..<200).map(UInt64.init)
    let kept = sent.filter { _ in Int.random(in: 0..<10, using: &random) > 0 }.shuffled(
      using: &random)
    let again = kept.prefix(Int.random(in: 0..<20, using: &random))
    let result = audit(kept + again)
    #expect(result.received == UInt64(kept.count))
    #expect(result.duplicate == UInt64(again.count))
    #expect(result.lost == (kept.max() ?? 0) + 1 - UInt64(kept.count))
  }

  @Test(
    "Every bit of a payload is written and checked",
    arguments: [8, 9, 15, 16, 17, 24, 64, 77, 1000], [false, true])
  func everyBit(bytes: Int, isStamped: Bool) throws {
    let identity = MessageIdentity(publisher: 3, sequence: 12345, isLast: false)
    let isStamped = isStamped && bytes >= PayloadPattern.stampedBytesLeast
    var payload = written(identity, stamp: isStamped ? 0xABCD : nil, bytes: bytes)
    #expect(payload.count == bytes)
    #expect(isIntact(payload, isStamped: isStamped))
    if isStamped { #expect(unsafe PayloadPattern.stamp(payload.span.bytes) == 0xABCD) }
    // The time may be anything; a changed identity shows in the first whole word of the pattern.
    let whole = isStamped ? 24 : 16
    let free = isStamped ? 8..<16 : 0..<0
    for bit in 0..<bytes * 8 where !free.contains(bit / 8) && (bit >= 64 || bytes >= whole) {
      payload[bit / 8] ^= 1 << UInt8(bit % 8)
      #expect(!isIntact(payload, isStamped: isStamped), "bit \(bit)")
      payload[bit / 8] ^= 1 << UInt8(bit % 8)
    }
  }

  @Test("A payload of another length is not read")
  func lengths() {
    let payload = [UInt8](repeating: 0, count: 64)
    #expect(unsafe PayloadPattern.identity(payload.span.bytes, bytes: 63) == nil)
    #expect(unsafe PayloadPattern.identity([UInt8]().span.bytes, bytes: 0) == nil)
    #expect(unsafe PayloadPattern.stamp([UInt8](repeating: 0, count: 15).span.bytes) == nil)
  }

  private func written(_ identity: MessageIdentity, stamp: UInt64?, bytes: Int) -> [UInt8] {
    unsafe [UInt8](unsafeUninitializedCapacity: bytes) { room, count in
      var out = unsafe OutputRawSpan(
        buffer: UnsafeMutableRawBufferPointer(room), initializedCount: 0)
      PayloadPattern.write(identity, stamp: stamp, bytes: bytes, to: &out)
      count = unsafe out.finalize(for: UnsafeMutableRawBufferPointer(room))
    }
  }

  private func isIntact(_ payload: [UInt8], isStamped: Bool) -> Bool {
    let bytes = unsafe payload.span.bytes
    guard let identity = PayloadPattern.identity(bytes, bytes: payload.count) else { return false }
    return PayloadPattern.isIntact(bytes, identity, isStamped: isStamped)
  }
}
