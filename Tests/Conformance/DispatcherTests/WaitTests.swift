import BusPorts
import BusSystem
import BusTestSupport
import CAllocationCount
import Glibc
import Testing

@Suite("How a dispatcher waits")
struct WaitTests {
  @Test("a wait ends when its time is over, not before", arguments: DispatcherKind.all)
  func timeout(kind: DispatcherKind) throws {
    let watcher = try Watcher(kind)
    let event = try watcher.event()
    try watcher.watch(event.number, 1, .reading)
    #expect(try watcher.told(0) == [])
    let before = Deadline.nowNs
    #expect(try watcher.told(30) == [])
    // Kernel clocks may round down by a tick of the coarse one.
    #expect(Deadline.nowNs - before >= 25_000_000)
    event.signal()
    #expect(try watcher.keys(30) == [1])
  }

  @Test("a wait without end ends when something is ready", arguments: DispatcherKind.all)
  func forEver(kind: DispatcherKind) throws {
    try Watchdog.bounding("a wait without end", seconds: 60) {
      let watcher = try Watcher(kind)
      let event = try watcher.event()
      try watcher.watch(event.number, 1, .reading)
      SystemThread.start {
        usleep(20_000)
        event.signal()
      }
      #expect(try watcher.keys(-1) == [1])
    }
  }

  @Test("more than the list holds is told next, nobody twice before", arguments: DispatcherKind.all)
  func crowd(kind: DispatcherKind) throws {
    for (count, room) in [(8, 3), (2, 1), (5, 5), (9, 8), (100, 7)] {
      let watcher = try Watcher(kind)
      let events = try (0..<count).map { _ in try watcher.event() }
      for (key, event) in events.enumerated() {
        event.signal()
        try watcher.watch(event.number, UInt64(key), .reading)
      }
      // Nobody takes what is there: all of them stay ready.
      for round in 0..<3 {
        var told: [UInt64] = []
        for _ in 0..<count / room { told += try watcher.keys(room: room) }
        #expect(told.count == count / room * room, "\(count) in \(room), round \(round)")
        #expect(Set(told).count == told.count, "\(count) in \(room), round \(round): \(told)")
      }
      var seen: Set<UInt64> = []
      for _ in 0..<(count + room - 1) / room { seen.formUnion(try watcher.keys(room: room)) }
      #expect(seen.count == count, "\(count) in \(room): \(seen.count) were told")
    }
  }

  @Test("fewer than the list holds are all that are ready", arguments: DispatcherKind.all)
  func complete(kind: DispatcherKind) throws {
    let watcher = try Watcher(kind)
    let events = try (0..<100).map { _ in try watcher.event() }
    for (key, event) in events.enumerated() {
      try watcher.watch(event.number, UInt64(key), .reading)
      event.signal()
    }
    for room in [512, 101, 100] {
      #expect(try Set(watcher.keys(room: room)).count == 100, "a list of \(room)")
    }
    events[50].clear()
    #expect(try Set(watcher.keys(room: 512)) == Set((0..<100).filter { $0 != 50 }))
  }

  @Test("a wait allocates nothing", arguments: DispatcherKind.all)
  func allocations(kind: DispatcherKind) throws {
    guard allocation_count() != .max else { return }  // A sanitizer owns the heap.
    let watcher = try Watcher(kind)
    let events = try (0..<20).map { _ in try watcher.event() }
    for (key, event) in events.enumerated() {
      try watcher.watch(event.number, UInt64(key), .reading)
      event.signal()
    }
    var ready = [ReadyDescriptor](repeating: .none, count: 64)
    _ = try watcher.dispatcher.wait(into: &ready, timeoutMs: 0)
    let before = allocation_count()
    var told = 0
    for _ in 0..<1000 { told += try watcher.dispatcher.wait(into: &ready, timeoutMs: 0) }
    let allocations = allocation_count() - before
    withExtendedLifetime(watcher) {}
    #expect(told == 20_000 && allocations == 0)
  }
}
