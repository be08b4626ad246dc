import BinaryComm
import BusWire
import Testing

@Suite("Readers attached to a publisher")
struct AttachedReadersTests {
  private static func reader(_ number: UInt64) -> AttachmentID { AttachmentID(number) }
  private static let owner = Incarnation(7)

  @Test("a reader that was evicted is forgotten when the next one comes")
  func evicted() {
    var table = AttachedReaders()
    var most = 0
    for number in 0..<1000 as Range<UInt64> {
      let before: Set = [Self.reader(number &- 1)]
      table.insert(Self.reader(number), of: Self.owner, window: before)
      most = max(most, table.count)
    }
    #expect(most == 2, "evicted readers are kept")
    #expect(table.readers(of: Self.owner).contains(Self.reader(999)))
  }

  @Test("those in the window stay, each with its own incarnation")
  func kept() {
    var table = AttachedReaders()
    let window: Set = [Self.reader(1), Self.reader(2), Self.reader(3)]
    for number in 1...3 as ClosedRange<UInt64> {
      table.insert(Self.reader(number), of: Incarnation(number), window: window)
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
