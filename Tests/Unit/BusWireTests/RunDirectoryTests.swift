import BusWire
import Testing

@Suite("Where the run directory lies")
struct RunDirectoryTests {
  @Test(
    "the option, BCS_DIR, XDG_RUNTIME_DIR, /tmp: the first that says something",
    arguments: [
      ("/a", "/b", "/c", "/a"),
      ("a", "/b", "/c", "a"),
      (nil, "/b", "/c", "/b"),
      ("", "/b", "/c", "/b"),
      (nil, "b", "/c", "b"),
      (nil, nil, "/c", "/c/bcs"),
      ("", "", "/c", "/c/bcs"),
      (nil, nil, "c", "/tmp/bcs-7"),
      (nil, nil, "", "/tmp/bcs-7"),
      (nil, nil, nil, "/tmp/bcs-7"),
    ] as [(String?, String?, String?, String)])
  func path(option: String?, named: String?, runtime: String?, wanted: String) {
    var environment: [String: String] = [:]
    environment["BCS_DIR"] = named
    environment["XDG_RUNTIME_DIR"] = runtime
    #expect(RunDirectoryRule.path(option: option, environment: environment, uid: 7) == wanted)
  }

  @Test(
    "others may do nothing, or pass through and no more",
    arguments: [
      (0o700, true), (0o500, true), (0o40700, true), (0o711, true), (0o755, false),
      (0o710, false), (0o701, false), (0o750, false), (0o705, false), (0o722, false),
      (0o713, false), (0o777, false),
    ] as [(UInt32, Bool)])
  func modes(mode: UInt32, isClosed: Bool) {
    #expect(RunDirectoryRule.isClosed(mode: mode) == isClosed)
  }
}
