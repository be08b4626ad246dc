import BinaryComm
import BusLog
import BusMemory
import BusWire
import Glibc
import Testing

@Suite("Segments of other agents' readers")
struct PeerReaderSegmentsTests {
  private static func made(_ incarnation: UInt64) throws -> ReaderSegment {
    try ReaderSegment(agent: BusUUID(word0: 1, word1: 2), incarnation: incarnation)
  }

  @Test("the segment of one agent is mapped once for all its readers")
  func once() throws {
    let known = PeerReaderSegments()
    let made = try Self.made(7)
    let first = try known.segment(of: Incarnation(7), made.descriptor)
    for _ in 0..<100 {
      let again = made.duplicateDescriptor()
      defer { close(again) }
      #expect(try known.segment(of: Incarnation(7), again) === first)
    }
    #expect(known.count == 1)
  }

  @Test("another file of the same agent, and another agent, have mappings of their own")
  func others() throws {
    let known = PeerReaderSegments()
    let (one, two) = (try Self.made(7), try Self.made(7))
    let first = try known.segment(of: Incarnation(7), one.descriptor)
    let second = try known.segment(of: Incarnation(7), two.descriptor)
    #expect(second !== first, "another file")
    #expect(try known.segment(of: Incarnation(7), two.descriptor) === second)
    #expect(try known.segment(of: Incarnation(8), two.descriptor) !== second, "another agent")
  }

  @Test("a segment that no reader needs is mapped no more, and is soon forgotten")
  func forgotten() throws {
    let known = PeerReaderSegments()
    let made = try Self.made(7)
    weak var former: PeerSegment?
    do { former = try known.segment(of: Incarnation(7), made.descriptor) }
    #expect(former == nil, "the table keeps a mapping")
    #expect(try known.segment(of: Incarnation(7), made.descriptor).bytes == 131072)
    for number in 0..<1000 as Range<UInt64> {
      _ = try known.segment(of: Incarnation(number), made.descriptor)
    }
    #expect(known.count <= 64, "entries without a mapping are kept")
  }

  @Test("what is no reader segment is refused, however often it is handed in")
  func refused() throws {
    let known = PeerReaderSegments()
    let small = try OwnedSegment(name: "small", bytes: 4096)
    try small.seal()
    for _ in 0..<2 {
      #expect(throws: MemoryError.self) {
        _ = try known.segment(of: Incarnation(7), small.descriptor)
      }
      #expect(throws: MemoryError.self) { _ = try known.segment(of: Incarnation(7), -1) }
    }
    #expect(known.count == 0)
  }
}
