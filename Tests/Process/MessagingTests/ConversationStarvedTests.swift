import BinaryComm
import BusTestSupport
import BusWire
import Glibc
import ProcessSupport
import Testing

/// Messages to a peer whose log cannot be made for a while: the limit is that of a process of its
/// own.
@Suite("Conversations without a descriptor", .serialized)
struct ConversationStarvedTests {
  @Test("a reply waits for its log, and goes out as soon as there is a descriptor")
  func reply() async {
    await #expect(processExitsWith: .success) {
      try Watchdog.bounding("a reply without a descriptor", seconds: 100) {
        var pair = try Pair()
        let recipient = try pair.left.out.agent("answerer")
        _ = try pair.left.out.request(recipient, numbered(1), Pair.longAsking)
        try pair.until(arrived: 1)
        try OpenFiles.withNone {
          try pair.right.out.reply(to: pair.arrived[0], numbered(2))
          for _ in 0..<100 { try pair.take() }
          try Self.check(pair.right.out.stalled.first?.error.cause == .descriptors)
        }
        try pair.until(ended: 1)
        try Self.check(pair.replies == [2] && pair.failures == [])
        try Self.check(pair.right.out.stalled.isEmpty && pair.right.statistics.unsent == 0)
      }
    }
  }

  @Test("so does one that needs a larger log than there is")
  func largeReply() async {
    await #expect(processExitsWith: .success) {
      try Watchdog.bounding("a large reply without a descriptor", seconds: 100) {
        var pair = try Pair()
        let recipient = try pair.left.out.agent("answerer")
        _ = try pair.left.out.request(recipient, numbered(1), Pair.longAsking)
        try pair.until(arrived: 1)
        try pair.right.out.reply(to: pair.arrived[0], numbered(2))
        try pair.until(ended: 1)
        _ = try pair.left.out.request(recipient, numbered(3), Pair.longAsking)
        try pair.until(arrived: 2)
        try OpenFiles.withNone {
          try pair.right.out.reply(to: pair.arrived[1], numbered(4, bytes: 200_000))
          while pair.right.out.stalled.first?.error.cause != .descriptors {
            try Self.check(pair.right.statistics.unsent == 0)
            if try pair.take() == 0 { usleep(200) }
          }
        }
        try pair.until(ended: 2)
        try Self.check(pair.replies == [2, 4] && pair.failures == [])
      }
    }
  }

  @Test("a request fails at its deadline with what was missing, and is not sent after that")
  func request() async {
    await #expect(processExitsWith: .success) {
      try Watchdog.bounding("a request without a descriptor", seconds: 100) {
        var pair = try Pair()
        let recipient = try pair.left.out.agent("answerer")
        while pair.left.out.responders(of: recipient).isEmpty { try pair.hear() }
        try OpenFiles.withNone {
          _ = try pair.left.out.request(recipient, numbered(1), SendOptions(timeoutNs: 200_000_000))
          // Whoever sends what is not answered is told at once.
          let refused = failure { () throws(BusError) in
            _ = try pair.left.out.send(recipient, numbered(2))
          }
          try Self.check(refused?.cause == .descriptors)
          while pair.failures.isEmpty { if try pair.hear() == 0 { usleep(200) } }
          try Self.check(pair.failures.map(\.cause) == [.descriptors])
        }
        _ = try pair.left.out.request(recipient, numbered(3), Pair.longAsking)
        try pair.until(arrived: 1)
        try pair.right.out.reply(to: pair.arrived[0], numbered(4))
        try pair.until(ended: 2)
        try Self.check(pair.numbers == [3] && pair.replies == [4] && pair.failures.count == 1)
      }
    }
  }

  private struct Unexpected: Error {}

  /// An expectation of a process of its own, whose line is where it ends.
  private static func check(_ holds: Bool, line: Int = #line) throws {
    guard holds else {
      print("child process: line \(line)")
      throw Unexpected()
    }
  }
}
