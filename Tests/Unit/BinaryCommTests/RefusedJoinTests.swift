import BinaryComm
import BusLog
import BusMemory
import BusWire
import Glibc
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

  @Test("and so is its publisher, when it is not the reader's fault")
  func ownFailure() {
    let full = RefusedJoin.noDescriptor.ownFailure("writer")
    #expect(full?.code == .resourceExhausted && full?.cause == .descriptors)
    #expect(RefusedJoin.noBarrier.ownFailure("writer")?.code == .system)
    for why in [RefusedJoin(.streamEnded), RefusedJoin(.evicted), .unusableSegment] {
      #expect(why.ownFailure("writer") == nil)
    }
    // The kernel's refusal is no fault of the segment.
    let refused = RefusedJoin(MemoryError.system(call: "mmap", errno: ENOMEM))
    #expect(refused == .noMemory && refused.ownFailure("writer")?.cause == .memory)
    #expect(RefusedJoin(MemoryError.notMemory) == .unusableSegment)
    var unmet = UnmetReaders()
    unmet.note(.system("first"))
    unmet.note(.system("second"))
    #expect(unmet.count == 2 && unmet.reason == .system("first"))
  }
}
