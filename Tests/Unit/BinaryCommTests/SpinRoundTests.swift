import BinaryComm
import Testing

@Suite("Looks of a reader that waits")
struct SpinRoundTests {
  @Test("a few streams are looked at in each round, and many cost no more looks than those")
  func rounds() {
    for most in [8, 64, 512] {
      for streams in 0...8 { #expect(Reader.rounds(most, over: streams) == most) }
      for streams in 1...2000 {
        let rounds = Reader.rounds(most, over: streams)
        #expect(rounds * streams <= most * 8, "\(most) rounds over \(streams) streams")
      }
    }
  }
}
