import BinaryComm
import BusLog
import Testing

@Suite("A reader that is not let in")
struct RefusedJoinTests {
  @Test("is told why: what the gate says is not laid to its segment")
  func texts() {
    let texts = [
      RefusedJoin(.streamEnded), RefusedJoin(.evicted), .noDescriptor, .unusableSegment,
    ].map { $0.text("writer") }
    #expect(Set(texts).count == 4)
    #expect(texts[0].contains("writer publishes this stream no more"))
    #expect(texts[1].contains("evicted"))
    #expect(texts[3].contains("segment") && !texts[0].contains("segment"))
  }
}
