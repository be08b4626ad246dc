import BinaryComm
import BusTestSupport
import Foundation
import ProcessSupport
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

  @Test("what others say reaches no terminal raw, neither in the chat nor in the market")
  func hostile() async throws {
    let dir = try TemporaryDirectory("example")
    let bus = try CLIBus(dir.path)
    let trap = "\u{1B}[2J\u{9B}31m\u{202E}x\nbob: I agree"
    let ann = try Self.start(bus, "example_chat", "ann", "kitchen")
    try ann.waitForLine(containing: "is in the")
    let mallory = try await Bus.connect(to: bus.directory).register("mallory")
    try await mallory.serve("price.of.apples", executor: OwnThreads.shared) { _ in
      throw ServiceError(code: 1001, trap)
    }
    try await mallory.tell(team: "kitchen", Array(trap.utf8))
    let heard = try ann.waitForLine(containing: "mallory: ")
    let customer = try Self.start(bus, "example_gather", "buy").wait()
    ann.closeInput()
    let chat = try ann.wait().stdout
    for text in [heard, chat, customer.stdout] {
      #expect(text.contains("\\u{1b}[2J"))
      let controls = text.unicodeScalars.filter { $0.value < 32 || $0.value == 0x9B }
      #expect(controls.allSatisfy { $0 == "\n" } && !text.contains("\u{202E}"))
      #expect(!text.split(separator: "\n").contains { $0.hasPrefix("bob:") })
    }
    mallory.close()
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
