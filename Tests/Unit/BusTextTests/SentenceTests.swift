import BusText
import Testing

@Suite("Reasons in sentences of ours")
struct SentenceTests {
  @Test("a period is there once, or not at all")
  func periods() {
    #expect("it ended".endedByPeriod == "it ended." && "it ended.".endedByPeriod == "it ended.")
    #expect("it ended".withoutPeriod == "it ended" && "it ended.".withoutPeriod == "it ended")
    #expect("".endedByPeriod.isEmpty && "".withoutPeriod.isEmpty)
  }
}
