import BinaryComm
import BusWire
import Testing

@Suite("What waits for a lane to a peer")
struct LaneStateTests {
  private static let starved = BusError.resourceExhausted("no descriptor", cause: .descriptors)

  private static func message(
    _ id: UInt32, keptNs: UInt64 = 0, until deadlineNs: UInt64? = nil
  ) -> PendingMessage {
    PendingMessage(
      header: OutboundHeader(type: .request, correlationId: id), payload: [1, 2], keptNs: keptNs,
      deadlineNs: deadlineNs)
  }

  private static func ids(_ messages: [PendingMessage]) -> [UInt32] {
    messages.map(\.header.correlationId)
  }

  private static func mayBegin(_ lane: LaneState, _ nowNs: UInt64) -> Bool {
    (try? lane.mayBegin(nowNs)) ?? false
  }

  @Test("a message goes at once only where there is a log and nothing waits for it")
  func open() {
    var lane = LaneState()
    #expect(!lane.isOpen && lane.isUnused)
    lane.began(0)
    #expect(!lane.isOpen && !lane.isUnused)
    lane.opened()
    #expect(lane.isOpen)
    #expect(lane.enqueue(Self.message(1)) == true)
    #expect(!lane.isOpen && lane.waiting.first?.header.correlationId == 1)
    lane.finishFirst()
    #expect(lane.isOpen)
    lane.closed()
    #expect(!lane.isOpen && lane.isUnused)
  }

  @Test("a log is not made again at once, whether the last one was made or not")
  func paces() {
    var lane = LaneState()
    #expect(Self.mayBegin(lane, 100))
    lane.began(100)
    #expect(!Self.mayBegin(lane, 101) && Self.mayBegin(lane, 100 + LaneShortage.pauseNs))
    var starved = LaneState()
    #expect(starved.enqueue(Self.message(1)) == true)
    let over = starved.notOpened(Self.starved, 500) { _ in true }
    #expect(over.isEmpty && starved.waiting.count == 1 && starved.pauses(501))
    #expect(throws: Self.starved) { try starved.mayBegin(501) }
    #expect(Self.mayBegin(starved, 500 + LaneShortage.pauseNs))
    #expect(!starved.pauses(500 + LaneShortage.pauseNs))
  }

  @Test("without a router all wait on; where the policy refuses, none does, now or later")
  func refused() {
    var lane = LaneState()
    for id in 1...3 { #expect(lane.enqueue(Self.message(UInt32(id))) == true) }
    #expect(lane.notOpened(.noRouter("gone"), 0) { _ in true }.isEmpty && lane.waiting.count == 3)
    #expect(Self.ids(lane.notOpened(.peerDied("ended"), 0) { _ in true }) == [1, 2, 3])
    guard case .none = lane.phase else {
      Issue.record("a peer that has ended is no refusal")
      return
    }
    #expect(lane.enqueue(Self.message(4)) == true)
    #expect(Self.ids(lane.notOpened(.denied("not allowed"), 0) { _ in true }) == [4])
    guard case .refused(let why) = lane.phase, why.code == .denied else {
      Issue.record("the lane is not refused")
      return
    }
  }

  @Test("in a shortage each message waits for its own time, and while it is wanted")
  func shortage() {
    var lane = LaneState()
    let patience = LaneShortage.patienceNs
    let untimed = Self.message(1, keptNs: 10)
    for message in [untimed, Self.message(2, until: 500), Self.message(3, until: 2 * patience)] {
      #expect(lane.enqueue(message) == true)
    }
    #expect(Self.ids(lane.notOpened(Self.starved, 400) { $0.correlationId != 3 }) == [3])
    #expect(Self.ids(lane.notOpened(Self.starved, 500) { _ in true }) == [2])
    // By the beginning of the shortage, not by the last try.
    #expect(lane.notOpened(Self.starved, 399 + patience) { _ in true }.isEmpty)
    #expect(Self.ids(lane.notOpened(Self.starved, 400 + patience) { _ in true }) == [1])
    #expect(lane.shortage == nil)
  }

  @Test("requests and answers outlast a shortage; anything else, and any other error, does not")
  func outlasts() {
    var lane = LaneState()
    let kinds: [MessageType] = [.request, .response, .error, .event, .command]
    let held = kinds.map { lane.outlasts(Self.starved, OutboundHeader(type: $0), 0) }
    #expect(held == [true, true, true, false, false])
    var other = LaneState()
    #expect(other.outlasts(.denied("no"), OutboundHeader(type: .request), 0) == false)
    #expect(other.shortage == nil)
  }

  @Test("the first waits for a larger log until its time is over; what is sent ends the shortage")
  func holds() {
    var lane = LaneState()
    lane.opened()
    let first = Self.message(1, until: 1000)
    #expect(lane.enqueue(first) && lane.enqueue(Self.message(2)) == true)
    #expect(lane.holds(first, Self.starved, 999) == true)
    #expect(lane.shortage?.why == Self.starved)
    #expect(lane.holds(first, Self.starved, 1000) == false)
    #expect(lane.holds(first, .payloadTooLarge(bytes: 9, limit: 8), 0) == false)
    lane.finishFirst()
    #expect(lane.shortage == nil && lane.waiting.count == 1)
  }

  @Test("a log that opens with nothing waiting ends the shortage, else it is tried at once")
  func opened() {
    var lane = LaneState()
    #expect(lane.enqueue(Self.message(1)) == true)
    _ = lane.notOpened(Self.starved, 0) { _ in true }
    lane.opened()
    #expect(lane.shortage != nil && !lane.pauses(1))
    #expect(Self.ids(lane.drainWaiting()) == [1])
    lane.opened()
    #expect(lane.shortage == nil)
  }

  @Test("what may wait is bounded by number and by bytes, the last message not counted")
  func bounds() {
    var lane = LaneState()
    var taken = 0
    while taken <= LaneState.waitingMax, lane.enqueue(Self.message(1)) { taken += 1 }
    #expect(taken == LaneState.waitingMax && lane.isCrowded && !lane.isOutOfMemory)
    var large = LaneState()
    let bytes = [UInt8](repeating: 0, count: LaneState.waitingBytesMax)
    let header = OutboundHeader(type: .request)
    #expect(large.enqueue(PendingMessage(header: header, payload: bytes)) == true)
    #expect(large.isOutOfMemory && large.isCrowded)
    #expect(large.enqueue(PendingMessage(header: header, payload: [])) == false)
  }
}
