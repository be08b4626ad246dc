import BusWire

/// Checks what needs no router: a call that is wrong in itself ends with 64.
enum Names {
  /// A topic to publish on.
  static func checkTopic(_ text: String) throws {
    do { _ = try Topic(text) } catch { throw refusal("topic", text, error) }
  }

  /// The name of a service or of a team.
  static func checkService(_ text: String, _ what: String = "service name") throws {
    do { _ = try Topic(text) } catch { throw refusal(what, text, error) }
  }

  /// A pattern to subscribe to.
  static func checkPattern(_ text: String) throws {
    do { _ = try TopicPattern(text) } catch { throw refusal("pattern", text, error) }
  }

  /// The name of an agent.
  static func checkAgent(_ text: String) throws {
    do { try AgentName.check(text) } catch { throw refusal("name", text, error) }
  }

  private static func refusal(_ what: String, _ text: String, _ error: some Error) -> Failure {
    let shown = text.count > 40 ? text.prefix(37) + "…" : text
    return .usage("The \(what) '\(shown.printable)' is refused: \(error)", remedy: "")
  }
}
