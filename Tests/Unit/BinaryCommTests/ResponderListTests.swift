import BinaryComm
import BusWire
import Testing

@Suite("Lists of responders that come in several frames")
struct ResponderListTests {
  private static func part(
    _ range: Range<Int>, of total: Int, name: String = "crew", isProvisional: Bool = false
  ) -> RespondersFrame {
    RespondersFrame(
      name: name, group: .team, isProvisional: isProvisional, before: UInt16(range.lowerBound),
      total: UInt16(total),
      responders: range.map { Responder(incarnation: Incarnation(UInt64($0)), name: "m\($0)") })
  }

  private static func names(_ frame: RespondersFrame?) -> [String]? {
    frame?.responders.map(\.name)
  }

  @Test("a list of one frame, also an empty one, is whole at once")
  func one() {
    var lists = ResponderLists()
    #expect(Self.names(lists.add(Self.part(0..<2, of: 2))) == ["m0", "m1"])
    #expect(Self.names(lists.add(Self.part(0..<0, of: 0))) == [])
  }

  @Test("one of several frames is whole with the last of them, whatever comes of other names")
  func several() {
    var lists = ResponderLists()
    #expect(lists.add(Self.part(0..<180, of: 400)) == nil)
    #expect(Self.names(lists.add(Self.part(0..<1, of: 1, name: "other"))) == ["m0"])
    #expect(lists.add(Self.part(180..<360, of: 400)) == nil)
    let whole = lists.add(Self.part(360..<400, of: 400, isProvisional: true))
    #expect(Self.names(whole) == (0..<400).map { "m\($0)" })
    #expect(whole?.isProvisional == true && whole?.before == 0 && whole?.total == 400)
    // It is said again whole, not added to.
    #expect(Self.names(lists.add(Self.part(0..<3, of: 3)))?.count == 3)
  }

  @Test("a list of which frames were lost is not taken for a shorter one, and can come again")
  func lost() {
    var lists = ResponderLists()
    #expect(lists.add(Self.part(180..<200, of: 200)) == nil)
    #expect(lists.add(Self.part(0..<180, of: 400)) == nil)
    #expect(lists.add(Self.part(360..<400, of: 400)) == nil)
    #expect(lists.add(Self.part(180..<360, of: 400)) == nil)
    #expect(lists.add(Self.part(0..<180, of: 200)) == nil)
    #expect(Self.names(lists.add(Self.part(180..<200, of: 200)))?.count == 200)
  }

  @Test("numbers that fit together in no way come to no list, and keep nothing")
  func odd() {
    var lists = ResponderLists()
    #expect(lists.add(Self.part(5..<5, of: 0)) == nil)
    #expect(lists.add(Self.part(0..<0, of: 65535)) == nil)
    // More than the list should have: what came is the list.
    #expect(Self.names(lists.add(Self.part(0..<9, of: 3)))?.count == 9)
  }
}
