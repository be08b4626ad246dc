import BusSystem
import BusTestSupport
import Foundation
import Glibc
import Synchronization
import Testing

@Suite("Lines that a thread writes")
struct LineOutputTests {
  /// Reads from a pipe until so many lines are accounted for: each one, or a number of them.
  private static func lines(_ reading: Int32, accounting count: Int) -> [String] {
    var text = ""
    var room = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let lines = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
      let sum = lines.reduce(0) { $0 + ($1.hasPrefix("left ") ? Int($1.dropFirst(5)) ?? 0 : 1) }
      if sum >= count { return lines.map(String.init) }
      let length = unsafe read(reading, &room, room.count)
      guard length > 0 else { return lines.map(String.init) }
      text += String(decoding: room[..<length], as: UTF8.self)
    }
  }

  @Test(
    "of what nobody reads so much waits, and the rest is left out and counted",
    arguments: [Int32(0), O_NONBLOCK])
  func bounded(flags: Int32) throws {
    try Watchdog.bounding("lines that nobody reads", seconds: 60) {
      let pipe = try PipeEnds()
      defer { for end in [pipe.reading, pipe.writing] { close(end) } }
      let setSize: Int32 = 1031
      try #require(fcntl(pipe.writing, setSize, 4096) >= 4096)
      try #require(fcntl(pipe.writing, F_SETFL, flags) == 0)
      let output = LineOutput(pipe.writing, linesMax: 10) { Array("left \($0)\n".utf8) }
      let filler = String(repeating: "x", count: 4096)
      // A line that alone is more than the pipe holds keeps its place until it is read.
      for number in 0..<50 { output.write(Array("\(number) \(filler)\n".utf8)) }
      #expect(!output.isDone)
      let lines = Self.lines(pipe.reading, accounting: 50)
      #expect(lines.prefix(10).compactMap { Int($0.prefix { $0 != " " }) } == Array(0..<10))
      #expect(lines.dropFirst(10).allSatisfy { $0.hasPrefix("left ") }, "\(lines.dropFirst(10))")
      output.write(Array("after\n".utf8))
      #expect(Self.lines(pipe.reading, accounting: 1) == ["after"])
    }
  }

  @Test("lines that could not be written are counted, said once, and a cut one ends before them")
  func failing() async {
    // In a process of its own: the limit of its files stands for a full disk.
    await #expect(processExitsWith: .success) {
      let directory = try TemporaryDirectory()
      let path = directory.file("out")
      let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_APPEND, 0o600)
      try #require(descriptor >= 0)
      signal(SIGXFSZ, SIG_IGN)
      let failures = Mutex<[Int32]>([])
      let output = LineOutput(
        descriptor, linesMax: 10, onFailure: { number in failures.withLock { $0.append(number) } },
        notice: { Array("left \($0)\n".utf8) })
      func write(_ line: String) {
        output.write(Array("\(line)\n".utf8))
        while !output.isDone { SystemThread.sleep(milliseconds: 1) }
      }
      func limit(_ bytes: UInt) throws {
        var limit = rlimit(rlim_cur: bytes, rlim_max: .max)
        let outcome = unsafe setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
        try #require(outcome == 0)
      }
      write("one")
      try limit(10)
      write("another")
      for _ in 0..<3 { write("lost") }
      try limit(.max)
      write("later")
      write("last")
      let text = try String(contentsOfFile: path, encoding: .utf8)
      #expect(text == "one\nanothe\nleft 4\nlater\nlast\n")
      #expect(failures.withLock { $0 } == [EFBIG])
      close(descriptor)
    }
  }

  @Test("lines that found no thread are written with the first that finds one")
  func withoutThread() throws {
    try Watchdog.bounding("lines without a thread", seconds: 60) {
      let pipe = try PipeEnds()
      defer { for end in [pipe.reading, pipe.writing] { close(end) } }
      let isStarved = Atomic(true)
      let output = LineOutput(
        pipe.writing, linesMax: 3,
        startThread: { body in
          !isStarved.load(ordering: .relaxed) && SystemThread.start(nil, body)
        }, notice: { Array("left \($0)\n".utf8) })
      for number in 0..<5 { output.write(Array("\(number)\n".utf8)) }
      #expect(!output.isDone, "they wait, and nobody writes them")
      isStarved.store(false, ordering: .relaxed)
      output.write(Array("5\n".utf8))
      #expect(Self.lines(pipe.reading, accounting: 6) == ["0", "1", "2", "left 3"])
      // Until the thread has looked again these count as waiting.
      while !output.isDone { SystemThread.sleep(milliseconds: 1) }
      output.write(Array("6\n".utf8))
      #expect(Self.lines(pipe.reading, accounting: 1) == ["6"])
    }
  }
}
