import BinaryComm
import BusLog
import BusTestSupport
import BusWire
import Foundation
import Glibc
import ProcessSupport
import Testing

@Suite("A pollable handle")
struct PollableHandleTests {
  @Test("is readable after a publish and only then, a hundred times, and sleeps in between")
  func cycles() throws {
    try Watchdog.bounding("pollable handle", seconds: 120) {
      let bus = try ClientBus()
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      var reader = try listener.reader("ticks", mode: .lossless, wait: .sleep)
      var publisher = try writer.publisher(on: "ticks")
      try publisher.publish("ticks", numbered(-1))
      #expect(try reader.take(1) == [-1])
      let handle = try reader.pollable()
      var events = 0
      for value in 0..<100 {
        while try reader.arm(handle) { _ = try reader.poll { _ in } }
        #expect(!isReadable(handle.descriptor, milliseconds: 0))
        try publisher.publish("ticks", numbered(value))
        while !isReadable(handle.descriptor, milliseconds: 1000) {}
        events += 1
        handle.clear()
        #expect(!isReadable(handle.descriptor, milliseconds: 0))
        var numbers: [Int] = []
        while try reader.poll({ numbers.append(number($0.payload)) }) > 0 {}
        #expect(numbers == [value])
      }
      #expect(events == 100)
      #expect(try !reader.arm(handle))
      let sentries = threads(named: "bcs-readiness")
      #expect(!sentries.isEmpty)
      let before = sentries.map(ticks(of:)).reduce(0, +)
      #expect(!isReadable(handle.descriptor, milliseconds: 500))
      let used = sentries.map(ticks(of:)).reduce(0, +) - before
      #expect(used <= 5, "a sentry that sleeps uses no processor, this one \(used) ticks")
      handle.close()
    }
  }

  @Test("is not to be had of a spinning reader")
  func spinning() throws {
    try Watchdog.bounding("pollable spin", seconds: 60) {
      let bus = try ClientBus()
      let listener = try bus.agent("listener")
      let reader = try listener.reader("ticks", wait: .spin)
      let error = failure { () throws(BusError) in _ = try reader.pollable() }
      #expect(error?.code == .invalid)
    }
  }

  private func isReadable(_ descriptor: Int32, milliseconds: Int32) -> Bool {
    var watch = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return unsafe poll(&watch, 1, milliseconds) == 1 && watch.revents & Int16(POLLIN) != 0
  }

  /// The folders in /proc of this process's threads of a name.
  private func threads(named name: String) -> [String] {
    let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? []
    return tasks.map { "/proc/self/task/\($0)" }.filter { task in
      (try? String(contentsOfFile: "\(task)/comm", encoding: .utf8)) == "\(name)\n"
    }
  }

  /// Clock ticks of processor time that a thread has used: fields 14 and 15 of its stat.
  private func ticks(of task: String) -> Int {
    let text = (try? String(contentsOfFile: "\(task)/stat", encoding: .utf8)) ?? ""
    let fields = text.split(separator: ")").last?.split(separator: " ") ?? []
    guard fields.count > 12 else { return 0 }
    return (Int(fields[11]) ?? 0) + (Int(fields[12]) ?? 0)
  }
}
