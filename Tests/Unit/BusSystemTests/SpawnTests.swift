import BusSystem
import BusTestSupport
import Glibc
import Testing

@Suite("Programs that are started")
struct SpawnTests {
  /// What a shell script wrote to its standard output, and how it ended.
  private func run(
    _ script: String, environment: [String] = [], _ options: Spawn.Options = []
  ) throws -> (output: String, end: ChildEnd?) {
    let pipe = try PipeEnds()
    let (pid, code) = Spawn.start(
      ["sh", "-c", script], environment: environment + ["PATH=/usr/bin:/bin"],
      Spawn.Descriptors(output: pipe.writing), options)
    close(pipe.writing)
    defer { close(pipe.reading) }
    try #require(code == 0)
    var all: [UInt8] = []
    var room = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = unsafe read(pipe.reading, &room, room.count)
      guard count > 0 else { break }
      all += room[..<count]
    }
    return (String(decoding: all, as: UTF8.self), ChildEnd.of(pid, waiting: true))
  }

  @Test("arguments, variables and output pass; the end is told once")
  func passes() throws {
    let (output, end) = try run("echo $WORD; exit 3", environment: ["WORD=here"])
    #expect(output == "here\n" && end == .exit(3))
    #expect(try run("kill -9 $$").end == .signal(9))
    #expect(ChildEnd.signal(9).shellStatus == 137 && ChildEnd.exit(3).shellStatus == 3)
    let (pid, _) = Spawn.start(["true"], environment: [], Spawn.Descriptors())
    #expect(ChildEnd.of(pid, waiting: true) == .exit(0) && ChildEnd.of(pid) == nil)
    #expect(ChildEnd.state(of: pid) == .unknown)
    #expect(ChildEnd.state(of: pid, waiting: true) == .unknown)
  }

  @Test("a program that is not there leaves the reason and no process")
  func missing() {
    let (pid, code) = Spawn.start(["/nowhere/at/all"], environment: [], Spawn.Descriptors())
    #expect(pid == -1 && code == ENOENT)
    #expect(Errno.text(code) == "No such file or directory")
  }

  @Test("only with closesOthers does a program get none of what is open here")
  func closes() throws {
    let file = unsafe open("/dev/null", O_RDONLY)
    defer { close(file) }
    let script = "test -e /proc/self/fd/\(file) && echo open || echo closed"
    #expect(try run(script).output == "open\n")
    #expect(try run(script, environment: [], .closesOthers).output == "closed\n")
  }

  @Test("a descriptor that is in its place already goes on to the program")
  func inPlace() async {
    // In a process of its own: the standard input is that of all of it.
    await #expect(processExitsWith: .success) {
      let pipe = try PipeEnds()
      #expect(FileDescriptor.writeAll(Array("in".utf8), to: pipe.writing) == 0)
      close(pipe.writing)
      #expect(dup2(pipe.reading, 0) == 0 && fcntl(0, F_SETFD, FD_CLOEXEC) == 0)
      let output = try PipeEnds()
      let (pid, code) = Spawn.start(
        ["cat"], environment: ["PATH=/usr/bin:/bin"],
        Spawn.Descriptors(input: 0, output: output.writing))
      #expect(code == 0 && ChildEnd.of(pid, waiting: true) == .exit(0))
      var bytes = [UInt8](repeating: 0, count: 4)
      #expect(unsafe read(output.reading, &bytes, 4) == 2)
    }
  }

  @Test("a group of its own is led by the program itself")
  func groups() throws {
    let script = "test $(ps -o pgid= -p $$) = $$ && echo own || echo ours"
    #expect(try run(script).output == "ours\n")
    #expect(try run(script, environment: [], .leadsGroup).output == "own\n")
  }

  @Test("a program that is tied to a thread gets SIGTERM when the thread ends")
  func tied() async throws {
    for (options, expected) in [([], false), (.endsWithParent, true)] as [(Spawn.Options, Bool)] {
      let (started, pipe) = (Latch(), try PipeEnds())
      SystemThread.start("starter") {
        let (pid, _) = Spawn.start(
          ["sleep", "60"], environment: ["PATH=/usr/bin:/bin"], Spawn.Descriptors(), options)
        _ = FileDescriptor.writeAll(
          (0..<4).map { UInt8(truncatingIfNeeded: pid >> (8 * $0)) }, to: pipe.writing)
        started.open()
      }
      #expect(started.wait(.never))
      var bytes = [UInt8](repeating: 0, count: 4)
      #expect(unsafe read(pipe.reading, &bytes, 4) == 4)
      let pid = (0..<4).reduce(Int32(0)) { $0 | Int32(bytes[$1]) << Int32(8 * $1) }
      if expected {
        #expect(ChildEnd.of(pid, waiting: true) == .signal(SIGTERM))
      } else {
        usleep(50_000)
        #expect(ChildEnd.of(pid) == nil)
        kill(pid, SIGKILL)
        #expect(ChildEnd.of(pid, waiting: true) == .signal(SIGKILL))
      }
      for end in [pipe.reading, pipe.writing] { close(end) }
    }
  }
}
