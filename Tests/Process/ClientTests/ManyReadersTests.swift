import BinaryComm
import BusLog
import BusTestSupport
import Foundation
import ProcessSupport
import Testing

/// One publisher with very many lossy readers of few agents.
@Suite("Many readers of one publisher", .serialized)
struct ManyReadersTests {
  private final class Listener {
    var reader: Reader

    init(_ agent: Agent) throws { reader = try agent.reader("crowd.>", mode: .lossy) }
  }

  /// Memory files of the bus that a process has mapped, each mapping counted.
  private static func mappings(_ pid: Int32) throws -> Int {
    // In the file system of the kernel a file has no size by which it could be read whole.
    let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: "/proc/\(pid)/maps"))
    let maps = String(decoding: try file.readToEnd() ?? Data(), as: UTF8.self)
    return maps.split(separator: "\n").count { $0.contains("/memfd:bcs") }
  }

  @Test("all join and get its messages, and it maps the memory of each agent once")
  func lossy() throws {
    try Watchdog.bounding("many lossy readers", seconds: 120) {
      let bus = try ClientBus()
      let agents = try (0..<32).map { try bus.agent("listener.\($0)") }
      let listeners = try agents.flatMap { agent in
        try (0..<16).map { _ in try Listener(agent) }
      }
      let publisher = try Child.start(
        try Programs.path("bcs"), ["pub", "crowd.a", "--stdin-lines", "--dir", bus.directory],
        input: .pipe)
      defer { publisher.kill() }
      #expect(publisher.send("the stream begins\n"))
      for listener in listeners { try listener.reader.meet() }
      #expect(publisher.send("for all\n"))
      for listener in listeners {
        var isThere = false
        while !isThere {
          let taken = try listener.reader.poll { message in
            isThere = isThere || message.copy().payload == Array("for all".utf8)
          }
          if taken == 0 { _ = try listener.reader.wait(timeout: .milliseconds(100)) }
        }
      }
      let mapped = try Self.mappings(publisher.pid)
      print("many readers: \(listeners.count) of \(agents.count) agents, \(mapped) mappings")
      #expect((32..<100).contains(mapped))
      withExtendedLifetime(agents) {}
    }
  }
}
