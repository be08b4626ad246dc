import BusTestSupport
import Testing

extension Child {
  /// Sets how many files the process may open from here on.
  func limitFiles(to count: Int) throws {
    let result = try Child.run(
      "/usr/bin/prlimit", ["--pid", "\(pid)", "--nofile=\(count):"], timeout: .seconds(30))
    try #require(result.succeeded, "\(result)")
  }
}
