import BusTestSupport
import Glibc
import Testing

/// How many files this process may open: for tests that have a process of their own.
enum OpenFiles {
  /// Runs this while the process may open nothing.
  static func withNone(_ body: () throws -> Void) throws {
    let before = try limit(to: 3)
    defer { _ = try? limit(to: before) }
    try body()
  }

  /// Changes how many this process may open; returns how many it was before.
  static func limit(to count: rlim_t) throws -> rlim_t {
    var limit = rlimit()
    let kind = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    guard unsafe getrlimit(kind, &limit) == 0 else {
      throw ClientFailure.system("getrlimit", errno)
    }
    let before = limit.rlim_cur
    limit.rlim_cur = count
    guard unsafe setrlimit(kind, &limit) == 0 else {
      throw ClientFailure.system("setrlimit", errno)
    }
    return before
  }
}

extension Child {
  /// Sets how many files the process may open from here on.
  func limitFiles(to count: Int) throws {
    let result = try Child.run(
      "/usr/bin/prlimit", ["--pid", "\(pid)", "--nofile=\(count):"], timeout: .seconds(30))
    try #require(result.succeeded, "\(result)")
  }
}
