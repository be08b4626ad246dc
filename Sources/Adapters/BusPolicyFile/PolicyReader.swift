import BusAccess
import BusWire

/// Turns the values of a policy file into rules.
struct PolicyReader {
  let users: (String) -> UInt32?

  func policy(_ root: YAMLValue) throws(PolicyFileError) -> Policy {
    let fields = try root.fields(["agents", "channels", "broadcast"])
    guard let agents = fields["agents"] else {
      throw root.error(.missingKey("agents", in: root.place))
    }
    var policy = Policy()
    for value in try agents.items(of: "agents") {
      let rule = try agent(value)
      try checked(value) { () throws(PolicyError) in try policy.add(rule) }
    }
    for value in try fields["channels"]?.items(of: "channels") ?? [] {
      let rule = try channel(value)
      try checked(value) { () throws(PolicyError) in try policy.add(rule) }
    }
    if let value = fields["broadcast"] { policy.broadcast = try word(value, key: "broadcast") }
    return policy
  }

  private func agent(_ value: YAMLValue) throws(PolicyFileError) -> AgentRule {
    let fields = try value.fields([
      "name", "users", "read", "write", "hold_back", "services", "watch", "quota",
    ])
    guard let name = fields["name"] else {
      throw value.error(.missingKey("name", in: value.place))
    }
    guard let users = fields["users"] else {
      throw value.error(.missingKey("users", in: value.place))
    }
    var rule = AgentRule(name: try pattern(name), users: [])
    for user in try users.items(of: "user names or numbers") {
      rule.users.insert(try uid(user))
    }
    rule.read = try grants(fields["read"])
    rule.write = try grants(fields["write"])
    rule.holdBack = try grants(fields["hold_back"])
    if let services = try fields["services"]?.fields(["call", "answer"]) {
      rule.call = try patterns(services["call"])
      rule.answer = try patterns(services["answer"])
    }
    if let watch = fields["watch"] { rule.watch = try flag(watch, key: "watch") }
    if let quota = fields["quota"] { rule.quotaBytes = try size(quota, key: "quota") }
    return rule
  }

  private func channel(_ value: YAMLValue) throws(PolicyFileError) -> ChannelRule {
    guard value.isMapping else { return ChannelRule(name: try topic(value)) }
    let fields = try value.fields(["name", "max_log"], withoutEffect: Self.withoutEffect)
    guard let name = fields["name"] else {
      throw value.error(.missingKey("name", in: value.place))
    }
    var settings = ChannelSettings()
    if let value = fields["max_log"] { settings.logBytesMax = try size(value, key: "max_log") }
    return ChannelRule(name: try topic(name), settings: settings)
  }

  /// Keys that were taken and limited nothing, and what does.
  private static let withoutEffect = [
    "max_payload": "leave it out, and bound the log with max_log: a payload has a quarter of it",
    "on_slow":
      "leave it out: each reader says how it reads, and hold_back says for whom publishers wait",
  ]

  private func grants(_ value: YAMLValue?) throws(PolicyFileError) -> [Grant] {
    var grants: [Grant] = []
    for item in try value?.items(of: "channels") ?? [] {
      let text = try item.text("a channel such as alerts.>")
      grants.append(try checked(item) { () throws(PolicyError) in try Grant(text) })
    }
    return grants
  }

  private func patterns(_ value: YAMLValue?) throws(PolicyFileError) -> [TopicPattern] {
    var patterns: [TopicPattern] = []
    for item in try value?.items(of: "names or patterns") ?? [] {
      patterns.append(try pattern(item))
    }
    return patterns
  }

  private func pattern(_ value: YAMLValue) throws(PolicyFileError) -> TopicPattern {
    let text = try value.text("a name or pattern such as cli.>")
    do { return try TopicPattern(text) } catch { throw value.error(.rule(.badName(text, error))) }
  }

  private func topic(_ value: YAMLValue) throws(PolicyFileError) -> Topic {
    let text = try value.text("a channel without wildcards such as alerts.disk")
    do { return try Topic(text) } catch { throw value.error(.rule(.badName(text, error))) }
  }

  private func uid(_ value: YAMLValue) throws(PolicyFileError) -> UInt32 {
    let text = try value.text("a user name or number")
    guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
      guard let uid = users(text) else { throw value.error(.unknownUser(text)) }
      return uid
    }
    // The largest number means "no user" to the system calls.
    guard let uid = UInt32(text), uid != .max else { throw value.error(.unknownUser(text)) }
    return uid
  }

  private func size(_ value: YAMLValue, key: String) throws(PolicyFileError) -> UInt64 {
    let text = try value.text("a size such as 64 MiB")
    let units: [(String, UInt64)] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)]
    let unit = units.first { text.hasSuffix($0.0) }
    var digits = Substring(text)
    if let unit {
      digits = digits.dropLast(unit.0.count)
      while digits.last == " " { digits.removeLast() }
    }
    guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let count = UInt64(digits) else {
      throw value.error(.badSize(text, key: key))
    }
    let (bytes, overflow) = count.multipliedReportingOverflow(by: unit?.1 ?? 1)
    guard !overflow else { throw value.error(.badSize(text, key: key)) }
    return bytes
  }

  private func flag(_ value: YAMLValue, key: String) throws(PolicyFileError) -> Bool {
    switch try value.text("true or false") {
    case "true": return true
    case "false": return false
    case let other:
      throw value.error(.unknownWord(other, key: key, allowed: ["true", "false"]))
    }
  }

  private func word<Word: RawRepresentable<String> & CaseIterable>(
    _ value: YAMLValue, key: String
  ) throws(PolicyFileError) -> Word {
    let allowed = Word.allCases.map(\.rawValue)
    let text = try value.text("one of \(allowed.joined(separator: ", "))")
    guard let word = Word(rawValue: text) else {
      throw value.error(.unknownWord(text, key: key, allowed: allowed))
    }
    return word
  }

  private func checked<Result>(
    _ value: YAMLValue, _ body: () throws(PolicyError) -> Result
  ) throws(PolicyFileError) -> Result {
    do { return try body() } catch { throw value.error(.rule(error)) }
  }
}
