import ArgumentParser
import BusOptions
import Testing

@Suite("The options of a router")
struct RouterOptionsTests {
  @Test(
    "sizes are powers of 1024 in either case",
    arguments: [
      ("1", 1), ("65536", 65536), ("8b", 8), ("64K", 65536), ("64k", 65536), ("64KiB", 65536),
      ("64kib", 65536), ("3M", 3_145_728), ("3MiB", 3_145_728), ("1G", 1 << 30),
      ("1GiB", 1 << 30), ("1gib", 1 << 30), ("2T", 2 << 40),
    ] as [(String, UInt64)])
  func sizes(text: String, bytes: UInt64) {
    #expect(ByteSize(argument: text)?.bytes == bytes)
  }

  @Test(
    "what is no size is refused",
    arguments: [
      "", "0", "K", "-1", "+1", "1.5G", "1 K", "1KK", "1X", "1Ki", "0x10", "\u{0661}",
      "8388608T", "99999999999999999999",
    ])
  func noSizes(text: String) {
    #expect(ByteSize(argument: text) == nil)
  }

  @Test("the words of the options give the same options")
  func words() throws {
    let given = ["--arena", "512MiB", "--log-first", "64k", "--stall", "0.5"]
    let options = try RouterOptions.parse(given)
    let again = try RouterOptions.parse(options.words)
    #expect(again.words == options.words)
    #expect(options.words.contains("512M") && options.words.contains("64K"))
    #expect(options.words.contains("0.5"))
  }
}
