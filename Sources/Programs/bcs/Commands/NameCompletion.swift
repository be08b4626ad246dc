import ArgumentParser
import BinaryComm
import BusWire

/// The names that are there now, for a shell that completes an argument.
///
/// Where no router answers in a moment there are none, and nothing is said.
enum NameCompletion {
  /// Names of agents.
  static let agents = kind { try $0.query(.agents).map { $0["name"] } }
  /// Channels that somebody publishes to, or wants to read.
  static let channels = kind { agent in
    let published = try agent.query(.streams).map { $0["channel"] }
    let wanted = try agent.query(.subscriptions).map { $0["pattern"] }
    return (published + wanted).filter { !($0 ?? "").hasPrefix("bcs.") }
  }
  /// Services, and agents, which answer their own names.
  static let services = kind { agent in
    let names = try agent.query(.names).filter { $0["group"] == "service" }.map { $0["name"] }
    return try names + agent.query(.agents).map { $0["name"] }
  }
  /// Agents and teams.
  static let recipients = kind { agent in
    let teams = try agent.query(.names).filter { $0["group"] == "team" }.map { $0["name"] }
    return try teams + agent.query(.agents).map { $0["name"] }
  }
  /// Teams.
  static let teams = kind { agent in
    try agent.query(.names).filter { $0["group"] == "team" }.map { $0["name"] }
  }

  private static func kind(
    _ ask: @escaping @Sendable (Agent) throws -> [String?]
  ) -> CompletionKind {
    .custom { words, _, _ in
      guard let session = try? session(words) else { return [] }
      defer { session.agent.close() }
      let own = session.agent.name
      let names = (try? ask(session.agent)) ?? []
      return Set(names.compactMap { $0 }).filter { $0 != own && isHarmless($0) }.sorted()
    }
  }

  /// A connection where the words typed so far say.
  private static func session(_ words: [String]) throws -> Session {
    var place = PlaceOptions()
    place.dir = value(of: "--dir", in: words)
    place.trust = TrustOptions()
    place.trust.routerUser = value(of: "--router-user", in: words)
    place.askedLevel = .error
    place.quiet = true
    return try Session.look(place.common, name: NameOptions.standard("complete"), wait: 0.3)
  }

  private static func value(of option: String, in words: [String]) -> String? {
    if let joined = words.last(where: { $0.hasPrefix("\(option)=") }) {
      return String(joined.dropFirst(option.count + 1))
    }
    guard let place = words.lastIndex(of: option), place + 1 < words.count else { return nil }
    return words[place + 1]
  }

  /// Whether a shell sees nothing but letters in it: bash expands what it is given to choose from,
  /// so that a name such as `$(command)` would be run.
  static func isHarmless(_ name: String) -> Bool {
    name.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"):
        true
      default: [UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-")].contains(byte)
      }
    }
  }
}
