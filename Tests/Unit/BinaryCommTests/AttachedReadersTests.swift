import BinaryComm
import BusWire
import Testing

@Suite("Readers attached to a publisher")
struct AttachedReadersTests {
  private static func reader(_ number: UInt64) -> AttachmentID { AttachmentID(number) }

  @Test("readers that have left leave nothing behind, whichever agents they were of")
  func left() {
    var table = AttachedReaders()
    for number in 0..<1000 as Range<UInt64> {
      table.insert(Self.reader(number), of: Incarnation(number % 10))
      table.remove(Self.reader(number &- 1))
    }
    #expect(table.count == 1)
    #expect(table.readers(of: Incarnation(9)) == [Self.reader(999)])
    #expect(table.readers(of: Incarnation(8)).isEmpty)
  }

  @Test("a reader that comes again is there once, of the incarnation that was said last")
  func again() {
    var table = AttachedReaders()
    table.insert(Self.reader(1), of: Incarnation(1))
    table.insert(Self.reader(1), of: Incarnation(2))
    #expect(table.count == 1 && table.readers(of: Incarnation(1)).isEmpty)
    #expect(table.readers(of: Incarnation(2)) == [Self.reader(1)])
  }

  @Test("those in the window stay, each with its own incarnation")
  func kept() {
    var table = AttachedReaders()
    for number in 1...3 as ClosedRange<UInt64> {
      table.insert(Self.reader(number), of: Incarnation(number))
    }
    #expect(table.readers(of: Incarnation(2)) == [Self.reader(2)])
    #expect(table.present(in: [Self.reader(3)]) == [Self.reader(3): Incarnation(3)])
    let wasThere = table.remove(Self.reader(2))
    let isThere = table.remove(Self.reader(2))
    #expect(wasThere && !isThere, "that it left is news once")
    #expect(table.readers(of: Incarnation(2)).isEmpty && table.count == 2)
  }

  @Test("a snapshot ends those it does not name, but none that came meanwhile")
  func snapshot() {
    var table = AttachedReaders()
    let window: Set = [Self.reader(1), Self.reader(2), Self.reader(3)]
    let outside = table.name([Self.reader(1)])
    #expect(!outside && table.endSnapshot(window: window).isEmpty, "no snapshot, yet one ended")
    table.beginSnapshot()
    let inside = table.name([Self.reader(1)])
    table.announce(Self.reader(3))
    #expect(inside)
    let left = table.endSnapshot(window: window)
    #expect(left == [Self.reader(2)])
    let again = table.endSnapshot(window: window)
    #expect(again.isEmpty, "the snapshot was over")
  }
}
