package import Glibc

/// How many files this process may open: for tests that have a process of their own.
package enum OpenFiles {
  /// Runs this while the process may open nothing.
  package static func withNone(_ body: () throws -> Void) throws {
    let before = try limit(to: 3)
    defer { _ = try? limit(to: before) }
    try body()
  }

  /// Changes how many this process may open; returns how many it was before.
  package static func limit(to count: rlim_t) throws -> rlim_t {
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
