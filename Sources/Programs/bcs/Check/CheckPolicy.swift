import ArgumentParser
import BusAccess
import BusJSON
import BusPolicyFile
import BusWire

/// Reads a policy file as the router does, and prints the rights it gives.
struct CheckPolicy: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "policy", abstract: "Read a policy file and print the rights it gives.",
    discussion: "Example:\n  bcs check policy policy.yaml")

  @OptionGroup var common: CommonOptions
  @Argument(help: "The policy file.", completion: .file(extensions: ["yaml", "yml"]))
  var file: String

  func run() throws {
    let policy = try PolicyFile.load(file)
    var listing = TextTable(
      [
        Column("agent", "AGENT"), Column("users", "USERS"), Column("read", "READ"),
        Column("write", "WRITE"), Column("hold_back", "HOLD BACK"), Column("call", "CALL"),
        Column("answer", "ANSWER"), Column("watch", "WATCH"),
        Column("quota", "QUOTA", isNumber: true),
      ], empty: "The policy gives no rights to anybody.")
    listing.rows = policy.agents.map(row)
    try common.show(listing)
    common.log(.notice, "\(file): \(policy.agents.count) entries, no errors")
  }

  private func row(_ rule: AgentRule) -> [JSONValue] {
    [
      .text(rule.name.text), .list(rule.users.sorted().map { .unsigned(UInt64($0)) }),
      grants(rule.read), grants(rule.write), grants(rule.holdBack), patterns(rule.call),
      patterns(rule.answer), .boolean(rule.watch), rule.quotaBytes.map { .unsigned($0) } ?? .null,
    ]
  }

  private func grants(_ grants: [Grant]) -> JSONValue {
    .list(grants.map { .text($0.description) })
  }

  private func patterns(_ patterns: [TopicPattern]) -> JSONValue {
    .list(patterns.map { .text($0.text) })
  }
}
