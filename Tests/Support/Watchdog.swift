import Glibc

/// Ends a test process that hangs: no test asserts a time, so something else must bound it.
public enum Watchdog {
  /// Runs `body`; if it takes longer than `seconds`, kills all children, says what hung and ends
  /// the process with status 99.
  public static func bounding<Result>(
    _ what: String, seconds: Int, _ body: () throws -> Result
  ) rethrows -> Result {
    let leash = Leash(what, seconds: seconds)
    defer { leash.release() }
    return try body()
  }

  /// As the synchronous form, for `async` bodies; they run on ``OwnThreads``.
  public static func bounding<Result>(
    _ what: String, seconds: Int, _ body: () async throws -> Result
  ) async rethrows -> Result {
    try await withTaskExecutorPreference(OwnThreads.shared, isolation: nil) {
      let leash = Leash(what, seconds: seconds)
      defer { leash.release() }
      return try await body()
    }
  }
}

private struct Leash {
  private let released = Monitor(false)

  init(_ what: String, seconds: Int) {
    let released = released
    startThread {
      let inTime = released.wait(.seconds(seconds)) { done in done ? true : nil }
      guard inTime == nil else { return }
      say("watchdog: '\(what)' hung for \(seconds) s; ending the test process")
      Child.killAll()
      _exit(99)
    }
  }

  func release() { released.with { done in done = true } }
}
