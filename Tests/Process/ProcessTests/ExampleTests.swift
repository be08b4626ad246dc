import BusTestSupport
import Foundation
import Testing

/// The example programs, as their first lines say to use them.
@Suite("The examples", .serialized)
struct ExampleTests {
  private static func start(_ bus: CLIBus, _ words: String...) throws -> Child {
    try Child.start(
      try Programs.path(words[0]), Array(words.dropFirst()),
      environment: ["BCS_DIR": bus.directory], input: .pipe)
  }

  @Test("what one says in a room is heard by the others, and by nobody outside")
  func chat() throws {
    let dir = try TemporaryDirectory("example")
    let bus = try CLIBus(dir.path)
    let ann = try Self.start(bus, "example_chat", "ann", "kitchen")
    let bob = try Self.start(bus, "example_chat", "bob", "kitchen")
    let eve = try Self.start(bus, "example_chat", "eve", "cellar")
    for person in [ann, bob, eve] { try person.waitForLine(containing: "is in the") }
    ann.send("hello\n")
    try bob.waitForLine(containing: "ann: hello")
    bob.send("hi ann\n")
    try ann.waitForLine(containing: "bob: hi ann")
    for person in [ann, bob, eve] { person.closeInput() }
    #expect(try ann.wait().stdout.contains("ann: hello") == false)
    #expect(try bob.wait().succeeded)
    #expect(try eve.wait().stdout == "eve is in the cellar\n")
  }

  @Test("a customer hears every merchant, and buys from the cheapest")
  func gather() throws {
    let dir = try TemporaryDirectory("example")
    let bus = try CLIBus(dir.path)
    let merchants = [
      try Self.start(bus, "example_gather", "sell", "ann", "30"),
      try Self.start(bus, "example_gather", "sell", "bob", "25"),
      try Self.start(bus, "example_gather", "sell", "zoe", "none"),
    ]
    for merchant in merchants { try merchant.waitForLine(containing: "sells apples") }
    let customer = try Self.start(bus, "example_gather", "buy").wait()
    #expect(
      customer.stdout
        == "ann: 30\nbob: 25\nno offer: zoe has no apples (code 1001)\nbuying from bob\n")
    for merchant in merchants {
      merchant.closeInput()
      #expect(try merchant.wait().succeeded)
    }
    let nobody = try Self.start(bus, "example_gather", "buy").wait()
    #expect(nobody.exit == .code(3))
  }
}
