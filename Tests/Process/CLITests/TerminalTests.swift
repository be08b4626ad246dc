import BusTestSupport
import Foundation
import ProcessSupport
import Testing

/// What commands say on a terminal, and leave out when it works for another.
@Suite(
  "bcs on a terminal", .serialized,
  .enabled(
    if: FileManager.default.isExecutableFile(atPath: "/usr/bin/python3"), "needs python3"))
struct TerminalTests {
  /// Runs a program on a terminal of its own, in its foreground or its background, and prints what
  /// stands there at the end.
  private static let player = """
    import os, pty, sys
    pid, master = pty.fork()
    if pid == 0:
        if sys.argv[1] == 'background':
            child = os.fork()
            if child == 0:
                os.setpgid(0, 0)
                os.execv(sys.argv[2], sys.argv[2:])
            sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        os.execv(sys.argv[2], sys.argv[2:])
    seen = b''
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:
            break
        if not piece:
            break
        seen += piece
    sys.stdout.buffer.write(seen)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    """

  private func play(_ place: String, _ bus: CLIBus, _ words: String...) throws -> String {
    let bcs = try Programs.path("bcs")
    let result = try Child.run(
      "/usr/bin/python3", ["-c", Self.player, place, bcs] + words + ["--dir", bus.directory],
      timeout: .seconds(60))
    #expect(result.succeeded, "\(result)")
    return result.stdout
  }

  @Test("progress is shown in the foreground, and not over what a user types meanwhile")
  func progress() throws {
    let dir = try TemporaryDirectory("terminal")
    let bus = try CLIBus(dir.path)
    for place in ["foreground", "background"] {
      let seen = try play(place, bus, "pub", "a", "x", "--count", "5", "--rate", "2")
      #expect(seen.contains("\rpublished") == (place == "foreground"), "\(seen)")
      #expect(seen.contains("published 5 messages"))
    }
  }

  @Test("a publisher says on a terminal that nobody read")
  func nobody() throws {
    let dir = try TemporaryDirectory("terminal")
    let bus = try CLIBus(dir.path)
    #expect(try play("foreground", bus, "pub", "a", "x").contains("on a (no reader)"))
    let reader = try bus.subscriber("a")
    defer { reader.kill() }
    #expect(!(try play("foreground", bus, "pub", "a", "x").contains("no reader")))
    #expect(!(try bus.run("pub", "b", "x").stdout.contains("no reader")))
  }
}
