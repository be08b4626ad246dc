import BusText
import BusWire

/// Checks what needs no router: a call that is wrong in itself ends with 64.
enum ArgumentChecks {
  /// A topic to publish on.
  static func checkTopic(_ text: String) throws {
    let topic: Topic
    do { topic = try Topic(text) } catch { throw refusal("topic", text, error) }
    try checkReserved(topic, "topic", text)
  }

  /// The name of a service or of a team.
  static func checkService(_ text: String, _ what: String = "service name") throws {
    let name: Topic
    do {
      name = try Topic(text)
    } catch TopicError.wildcardInTopic {
      throw Failure.usage(
        "The \(what) '\(shown(text))' is refused. It holds a wildcard.",
        remedy: "Give one name; * and > belong to subscriptions.")
    } catch {
      throw refusal(what, text, error)
    }
    guard !name.isReserved else { throw reserved(what, text) }
  }

  /// A pattern to subscribe to.
  static func checkPattern(_ text: String) throws {
    let pattern: TopicPattern
    do { pattern = try TopicPattern(text) } catch { throw refusal("pattern", text, error) }
    if let prefix = pattern.literalPrefix { try checkReserved(prefix, "pattern", text) }
  }

  /// What no policy can grant is a wrong call, and not denied.
  private static func checkReserved(_ topic: Topic, _ what: String, _ text: String) throws {
    guard !topic.isReserved || topic.isWithin(ChannelMap.broadcast) else {
      throw reserved(what, text)
    }
  }

  private static func reserved(_ what: String, _ text: String) -> Failure {
    .usage(
      "The \(what) '\(shown(text))' is reserved.",
      remedy: what.hasSuffix("name")
        ? "Names that start with 'bcs' are the bus's own; choose another."
        : "Of what starts with 'bcs' only \(ChannelMap.broadcast) is for agents; choose another.")
  }

  /// What to know about a pattern that is right and may mean less than its author thinks: signs
  /// that are wildcards on other buses; nil when there is nothing to say.
  static func note(onPattern text: String) -> String? {
    let tokens = text.split(separator: ".", omittingEmptySubsequences: false)
    let parts = tokens.flatMap { $0.split(separator: "/", omittingEmptySubsequences: false) }
    if text.contains("#") {
      return "'#' is an ordinary character here: the rest of a topic is '>', as in 'alerts.>'."
    }
    if parts.contains("+") {
      return "'+' is an ordinary character here: one token of a topic is '*', as in 'alerts.*'."
    }
    if text.contains("/") {
      return "'/' is an ordinary character here: tokens are joined by dots, as in 'alerts.disk'."
    }
    return nil
  }

  /// The name of an agent.
  static func checkAgent(_ text: String) throws {
    do { try AgentName.check(text) } catch { throw refusal("name", text, error) }
  }

  private static func refusal(_ what: String, _ text: String, _ error: some Error) -> Failure {
    let said = "\(error)".replacing("the topic", with: "the \(what)")
      .replacing("The topic", with: "The \(what)")
    // What is wrong stands before the colon, what to write instead behind it.
    let colon = said.firstRange(of: ": ")
    let reason = colon.map { "\(said[..<$0.lowerBound])." } ?? said
    let remedy = colon.map { said[$0.upperBound...] } ?? ""
    return .usage(
      "The \(what) '\(shown(text))' is refused. \(Self.capitalized(reason))",
      remedy: Self.sentence(remedy))
  }

  private static func shown(_ text: String) -> String {
    (text.count > 40 ? text.prefix(37) + "…" : text).printable
  }

  private static func sentence(_ text: some StringProtocol) -> String {
    capitalized(text).endedByPeriod
  }

  private static func capitalized(_ text: some StringProtocol) -> String {
    text.prefix(1).uppercased() + text.dropFirst()
  }
}
