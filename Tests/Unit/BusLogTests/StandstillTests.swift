import BusLog
import BusMemory
import BusTestSupport
import BusWire
import Testing

/// A publisher may stand still anywhere: it is stopped, swapped out, or writes a payload slowly.
@Suite("A reader that was overtaken by a publisher which stands still")
struct StandstillTests {
  private static let capacity: UInt64 = 65536

  /// A reader that has read nothing of the log so far.
  private static func late(_ stage: Stage) throws -> Subject {
    let origin = FlowControl.Start(generation: 0, position: 0, sequence: 0)
    return Subject(try LogReader(try stage.mapping(0), mode: .lossy, start: origin, slot: nil))
  }

  @Test("a large record under the pen, behind padding, leaves the last index entry to begin at")
  func layout() throws {
    let stage = try Stage()
    let pen = try Pen(stage, capacity: Self.capacity)
    // Each ends where the next eighth of the ring begins, or a line before.
    for (number, count) in [16384, 8192 - 128, 8192 - 128, 16384].enumerated() {
      #expect(pen.send(UInt64(number), count: count))
    }
    let reader = try Self.late(stage)
    let isPlaced = pen.place(4, count: 16384) { _ in
      #expect(reader.drain() == [2, 3])
      #expect(reader.drain().isEmpty && reader.state == .open && reader.gaps == 2)
    }
    #expect(isPlaced)
    pen.writer.publish()
    #expect(reader.drain() == [4] && reader.gaps == 2)
  }

  @Test("wherever that is, what is lost is counted and the rest is read")
  func anywhere() throws {
    let seed = Seed.announced(for: "standstill")
    var random = seed.generator()
    for round in 0..<300 {
      let stage = try Stage()
      let pen = try Pen(stage, capacity: Self.capacity)
      let most = Int(Self.capacity) * 17 / 64 - 64
      var (number, shown) = (UInt64(0), UInt64(0))
      for _ in 0..<40 {
        let count =
          switch Int.random(in: 0..<4, using: &random) {
          case 0: Int.random(in: 0..<500, using: &random)
          case 1: Int.random(in: 0...most, using: &random)
          case 2: 8192 - 64 * Int.random(in: 0...3, using: &random)
          default: most - 64 * Int.random(in: 0...20, using: &random)
          }
        let reader = try Self.late(stage)
        var read: [UInt64] = []
        let isPlaced = pen.place(number, count: count) { _ in
          read = reader.drain() + reader.drain()
        }
        try #require(isPlaced)
        // A claim may have shown what was appended before it.
        shown = max(shown, reader.received + reader.gaps)
        let isSound = reader.state == .open && reader.received + reader.gaps == shown
        try #require(isSound, "round \(round), message \(number)")
        #expect(read == Array(shown - UInt64(read.count)..<shown))
        number += 1
        if Bool.random(using: &random) {
          pen.writer.publish()
          shown = number
        }
      }
    }
  }
}
