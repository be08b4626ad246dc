import BusPorts
import BusSystem
import BusTestSupport
import CBusPlatform
import Glibc
import Testing

@Suite("What a dispatcher watches, and what it tells of it")
struct WatchTests {
  @Test("readiness is told under the descriptor's own key", arguments: DispatcherKind.all)
  func keys(kind: DispatcherKind) throws {
    let watcher = try Watcher(kind)
    let events = try (0..<3).map { _ in try watcher.event() }
    // Keys use all of their bits.
    let keys: [UInt64] = [0, .max, 5 << 56 | 7]
    for (event, key) in zip(events, keys) { try watcher.watch(event.number, key, .reading) }
    #expect(try watcher.told() == [])
    events[1].signal()
    #expect(try watcher.told() == [.told(.max, reading: true)])
    events[2].signal()
    #expect(try Set(watcher.keys()) == [.max, 5 << 56 | 7])
    events[1].clear()
    events[2].clear()
    events[0].signal()
    #expect(try watcher.told() == [.told(0, reading: true)])
  }

  @Test("what is ready is told again until it is not", arguments: DispatcherKind.all)
  func level(kind: DispatcherKind) throws {
    let watcher = try Watcher(kind)
    let event = try watcher.event()
    event.signal()
    // Ready before it is watched.
    try watcher.watch(event.number, 1, .reading)
    for _ in 0..<3 { #expect(try watcher.told() == [.told(1, reading: true)]) }
    event.clear()
    #expect(try watcher.told() == [])
    event.signal()
    #expect(try watcher.told() == [.told(1, reading: true)])
  }

  @Test("only what is wanted is told, and a change counts at once", arguments: DispatcherKind.all)
  func interest(kind: DispatcherKind) throws {
    let watcher = try Watcher(kind)
    let ends = try watcher.sockets()
    #expect(RecordSocket.send([1], nil, to: ends.there) == .sent)
    try watcher.watch(ends.here, 1, [])
    #expect(try watcher.told() == [])
    try watcher.change(ends.here, 1, .writing)
    #expect(try watcher.told() == [.told(1, writing: true)])
    try watcher.change(ends.here, 2, .reading)
    #expect(try watcher.told() == [.told(2, reading: true)])
    try watcher.change(ends.here, 3, [.reading, .writing])
    #expect(try watcher.told() == [.told(3, reading: true, writing: true)])
    var room = [UInt8](repeating: 0, count: 4)
    _ = RecordSocket.receive(ends.here, &room)
    #expect(try watcher.told() == [.told(3, writing: true)])
    try watcher.change(ends.here, 3, [])
    #expect(try watcher.told() == [])
  }

  @Test("a socket without room is told when it has some again", arguments: DispatcherKind.all)
  func pendingOutput(kind: DispatcherKind) throws {
    let watcher = try Watcher(kind)
    let ends = try watcher.sockets()
    let record = [UInt8](repeating: 7, count: 4096)
    var sent = 0
    while RecordSocket.send(record, nil, to: ends.here) == .sent { sent += 1 }
    try watcher.watch(ends.here, 1, [.reading, .writing])
    #expect(try watcher.told() == [])
    var room = [UInt8](repeating: 0, count: 4096)
    for _ in 0..<sent { _ = RecordSocket.receive(ends.there, &room) }
    #expect(try watcher.told() == [.told(1, writing: true)])
  }

  @Test("what is stopped is told no more, and can be watched anew", arguments: DispatcherKind.all)
  func stopped(kind: DispatcherKind) throws {
    let watcher = try Watcher(kind)
    let events = try (0..<2).map { _ in try watcher.event() }
    for (key, event) in events.enumerated() {
      try watcher.watch(event.number, UInt64(key), .reading)
      event.signal()
    }
    #expect(try Set(watcher.keys()) == [0, 1])
    try watcher.stop(events[0].number)
    #expect(try watcher.keys() == [1])
    try watcher.watch(events[0].number, 9, .reading)
    #expect(try Set(watcher.keys()) == [1, 9])
  }

  @Test("the end of the other side is told, wanted or not", arguments: DispatcherKind.all)
  func hungUp(kind: DispatcherKind) throws {
    let watcher = try Watcher(kind)
    let sockets = try watcher.sockets()
    try watcher.watch(sockets.here, 1, [])
    #expect(try watcher.told() == [])
    sockets.closeThere()
    #expect(try watcher.told() == [.told(1, hungUp: true)])
    try watcher.stop(sockets.here)
    // What was written before the end can still be read: both are told.
    let pipe = try watcher.pipe()
    #expect(FileDescriptor.writeAll([1], to: pipe.there) == 0)
    try watcher.watch(pipe.here, 2, .reading)
    #expect(try watcher.told() == [.told(2, reading: true)])
    pipe.closeThere()
    #expect(try watcher.told() == [.told(2, reading: true, hungUp: true)])
  }

  @Test("a reader that is gone is told to who writes", arguments: DispatcherKind.all)
  func brokenPipe(kind: DispatcherKind) throws {
    let watcher = try Watcher(kind)
    let pipe = try watcher.pipe()
    try watcher.watch(pipe.there, 1, [])
    #expect(try watcher.told() == [])
    pipe.closeHere()
    #expect(try watcher.told() == [.told(1, hungUp: true)])
  }

  @Test("a time and the end of a process are descriptors", arguments: DispatcherKind.all)
  func timersAndProcesses(kind: DispatcherKind) throws {
    try Watchdog.bounding("a timer and a process", seconds: 60) {
      let watcher = try Watcher(kind)
      let child = try Child.start("cat", input: .pipe)
      let process = watcher.keep(FileDescriptor(plat_pidfd_open(child.pid)))
      try watcher.watch(process.number, 1, .reading)
      let timer = watcher.keep(FileDescriptor(plat_timer(1_000_000)))
      try watcher.watch(timer.number, 2, .reading)
      #expect(try watcher.told(-1) == [.told(2, reading: true)])
      #expect(plat_timer_drain(timer.number) == 0)
      try watcher.stop(timer.number)
      #expect(try watcher.told() == [])
      child.kill()
      let told = try watcher.told(-1)
      #expect(told.map(\.key) == [WatchKey(1)] && told.allSatisfy(\.canRead))
    }
  }

  @Test("a number that stands for something else is watched anew", arguments: DispatcherKind.all)
  func closedWhileWatched(kind: DispatcherKind) throws {
    let watcher = try Watcher(kind)
    let first = try watcher.event()
    first.signal()
    try watcher.watch(first.number, 1, .reading)
    #expect(try watcher.keys() == [1])
    // Put in its place in one step: another thread of this process may open something meanwhile.
    let second = try watcher.event()
    let number = first.number
    try #require(dup2(second.number, number) == number)
    _ = try watcher.told()
    #expect(try watcher.told() == [])
    try watcher.watch(number, 2, .reading)
    #expect(try watcher.told() == [])
    second.signal()
    #expect(try watcher.told() == [.told(2, reading: true)])
    try watcher.stop(number)
    #expect(try watcher.told() == [])
  }
}
