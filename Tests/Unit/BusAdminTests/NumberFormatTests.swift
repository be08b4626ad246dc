import BusTerminal
import BusTestSupport
import BusText
import Testing

@Suite("Numbers as people read them")
struct FigureTests {
  @Test(
    "counts",
    arguments: [
      (0, "0"), (7, "7"), (999, "999"), (1000, "1K"), (1234, "1.23K"), (12_345, "12.3K"),
      (123_456, "123K"), (999_499, "999K"), (999_999, "1M"), (1_234_567, "1.23M"),
      (18_446_744_073_709_551_615, "18.4E"),
    ] as [(UInt64, String)])
  func counts(value: UInt64, text: String) { #expect(NumberFormat.count(value) == text) }

  @Test(
    "rates and bytes",
    arguments: [
      (0.25, "0.25", "0.25"), (9.99, "9.99", "9.99"), (1536, "1.54K", "1.5K"),
      (80_000_000, "80M", "76.3M"), (-1, "0", "0"), (.infinity, "-", "-"), (.nan, "-", "-"),
    ] as [(Double, String, String)])
  func rates(value: Double, count: String, bytes: String) {
    #expect(NumberFormat.count(value) == count)
    #expect(NumberFormat.bytes(value) == bytes)
  }

  @Test(
    "times",
    arguments: [
      (0, "0ns"), (160, "160ns"), (1000, "1µs"), (22_400, "22.4µs"), (999_999, "1000µs"),
      (5_000_000, "5ms"), (1_500_000_000, "1.5s"), (103_000_000_000, "103s"), (.max, ">9999s"),
    ] as [(UInt64, String)])
  func times(value: UInt64, text: String) { #expect(NumberFormat.time(ns: value) == text) }

  @Test("none is wider than six columns")
  func width() {
    var random = Seed.announced(for: "figures").generator()
    for _ in 0..<20_000 {
      let bits = UInt64.random(in: 0...63, using: &random)
      let value = UInt64.random(in: 0...(1 << bits), using: &random)
      for text in [
        NumberFormat.count(value), NumberFormat.bytes(Double(value)), NumberFormat.time(ns: value),
      ] {
        #expect(SafeText.width(text) <= 6, "\(value): \(text)")
      }
    }
  }
}
