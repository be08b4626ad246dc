import BinaryComm
import BusText
import Foundation

/// Merchants and a customer who asks all of them at once.
///
///     example_gather sell ann 30       # a merchant, and in other terminals
///     example_gather sell bob 25
///     example_gather buy               # asks everybody, and takes the cheapest
@main
struct Gather {
  private static let service = "price.of.apples"

  static func main() async throws {
    let words = Array(CommandLine.arguments.dropFirst())
    do {
      switch (words.first, words.count) {
      case ("sell", 3): try await sell(words[1], words[2])
      case ("buy", 1): try await buy()
      default:
        say("usage: example_gather sell NAME PRICE | example_gather buy")
        exit(64)
      }
    } catch let error as BusError {
      say("\(error)")
      if error.code == .noResponders { exit(3) }
      exit(1)
    }
  }

  /// Answers what apples cost here, until standard input ends.
  private static func sell(_ name: String, _ price: String) async throws {
    let agent = try await Bus.connect().register(name, category: "merchant")
    try await agent.serve(service) { _ in
      guard Int(price) != nil else { throw ServiceError(code: 1001, "\(name) has no apples") }
      return Array(price.utf8)
    }
    say("\(name) sells apples")
    while readLine() != nil {}
    agent.close()
  }

  /// Asks everybody, and says who is the cheapest and who did not answer.
  private static func buy() async throws {
    let agent = try await Bus.connect().register("customer")
    let all = try await agent.gather(service, [], timeout: .seconds(2))
    let offers = all.replies.compactMap { reply in
      Int(String(decoding: reply.payload, as: UTF8.self)).map { (reply.responder, $0) }
    }
    for (merchant, price) in offers.sorted(by: { $0.0 < $1.0 }) { say("\(merchant): \(price)") }
    for failure in all.failures { say("no offer: \(failure.detail)") }
    if let best = offers.min(by: { $0.1 < $1.1 }) { say("buying from \(best.0)") }
    agent.close()
  }

  /// What stands between the literals came from others: it is made harmless on its way in.
  private static func say(_ text: TerminalText) {
    FileHandle.standardOutput.write(Data((text + "\n").utf8))
  }
}
