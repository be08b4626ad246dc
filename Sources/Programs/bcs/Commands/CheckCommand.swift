import ArgumentParser

/// Verdicts: things that hold, or are shown not to.
struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check", abstract: "Check a policy file, or that the bus keeps its promises.",
    discussion: """
      Each check starts a router in a temporary run directory and processes of its own, and \
      prints one line for each of them: PASS or FAIL, and the facts. Exit code 1 on any failure.
      Only `bcs check policy` reads a file of yours and starts nothing.

      Facts: gaps: messages that a reader missed; disorder: messages out of order; void_wrong: \
      messages that were handed over although the publisher had taken them back.

      Examples:
        bcs check policy policy.yaml
        bcs check lossy
      """,
    subcommands: [
      CheckPolicy.self, CheckFiles.self, PublishFilesRole.self, ReadFilesRole.self,
      CheckLossy.self, CheckKill.self, CheckEvict.self, PublishCountRole.self,
      ReadCountRole.self,
    ])
}
