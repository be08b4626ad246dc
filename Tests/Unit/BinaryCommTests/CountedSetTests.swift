import BinaryComm
import Testing

@Suite("What several hold at a time")
struct CountedSetTests {
  @Test("is held until the last one has let go")
  func last() {
    var set = CountedSet<String>()
    set.add("name")
    set.add("name")
    set.add("other")
    let first = set.remove("name")
    let other = set.remove("other")
    let second = set.remove("name")
    #expect(!first && other && second)
  }
}
