import Glibc

/// How many descriptors this process may have.
enum DescriptorLimit {
  /// More than any agent needs: the kernel's tables grow with the highest number in use.
  private static let most: rlim_t = 65536

  /// Raises the soft limit to the hard one.
  ///
  /// 1,024, the usual soft limit, is the number of peers of a busy service. Code that uses `select`
  /// must not be given descriptors beyond 1,023.
  static func raise() {
    var limit = rlimit()
    let kind = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    guard unsafe getrlimit(kind, &limit) == 0 else { return }
    let wanted = min(limit.rlim_max, most)
    guard limit.rlim_cur < wanted else { return }
    limit.rlim_cur = wanted
    // What is refused stays as it was: descriptors then run out earlier, and that is said.
    _ = unsafe setrlimit(kind, &limit)
  }
}
