import BinaryComm
import BusWire
import Testing

@Suite("The streams of other agents' readers")
struct ReaderStreamsTests {
  @Test("who leaves is the business of the one stream it came to, once")
  func leave() {
    var streams = ReaderStreams()
    for number in 1...200 as ClosedRange<UInt64> {
      let isDue = streams.note(AttachmentID(number), in: StreamID(number % 7))
      #expect(!isDue)
    }
    let known = streams.remove(AttachmentID(100))
    let again = streams.remove(AttachmentID(100))
    #expect(known == StreamID(2) && again == nil && streams.count == 199)
  }

  @Test("readers that go without a word are forgotten, and that is not looked into at each join")
  func swept() {
    var streams = ReaderStreams()
    var sweeps = 0
    var most = 0
    // A thousand stay; of all others nobody says that they are gone.
    for number in 1...50_000 as ClosedRange<UInt64> {
      if streams.note(AttachmentID(number), in: StreamID(1)) {
        sweeps += 1
        streams.keep(Set((1...min(number, 1000)).map { AttachmentID($0) }))
      }
      most = max(most, streams.count)
    }
    #expect(most <= 2000, "\(most) are kept")
    #expect(sweeps <= 60, "\(sweeps) sweeps")
    let first = streams.remove(AttachmentID(1))
    #expect(first == StreamID(1))
  }
}
