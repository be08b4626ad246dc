import BusPorts
import BusSystem
import Glibc
import Testing

@Suite("What a dispatcher refuses, and the reason it gives")
struct RefusalTests {
  fileprivate static func reason(_ body: () throws -> Void) -> DispatcherError.Reason? {
    do {
      try body()
      return nil
    } catch {
      let error = error as? DispatcherError
      #expect(error?.call.isEmpty == false && error?.number ?? 0 > 0, "a call and its number")
      return error?.reason
    }
  }

  @Test("a number that is not open", arguments: DispatcherKind.all)
  func notOpen(kind: DispatcherKind) throws {
    let dispatcher = try kind.make()
    for number in [-1, 1 << 29] as [Int32] {
      let key = WatchKey(1)
      #expect(Self.reason { try dispatcher.watch(number, as: key, for: .reading) } == .notOpen)
      #expect(Self.reason { try dispatcher.change(number, as: key, to: .reading) } == .notOpen)
      #expect(Self.reason { try dispatcher.stop(number) } == .notOpen)
    }
  }

  @Test("a second watch, and changes of what is not watched", arguments: DispatcherKind.all)
  func watchedOrNot(kind: DispatcherKind) throws {
    let watcher = try Watcher(kind)
    let event = try watcher.event()
    let number = event.number
    event.signal()
    #expect(Self.reason { try watcher.change(event.number, 1, .reading) } == .notWatched)
    #expect(Self.reason { try watcher.stop(number) } == .notWatched)
    try watcher.watch(event.number, 1, .reading)
    #expect(Self.reason { try watcher.watch(event.number, 2, []) } == .alreadyWatched)
    // What was refused has changed nothing.
    #expect(try watcher.told() == [.told(1, reading: true)])
    try watcher.stop(number)
    #expect(Self.reason { try watcher.change(event.number, 1, .reading) } == .notWatched)
    #expect(try watcher.told() == [])
  }

  @Test("files and folders, for which nobody can wait", arguments: DispatcherKind.all)
  func alwaysReady(kind: DispatcherKind) throws {
    let watcher = try Watcher(kind)
    for path in ["/", "/etc/passwd"] {
      let file = watcher.keep(FileDescriptor(unsafe open(path, O_RDONLY | O_CLOEXEC)))
      try #require(file.number >= 0)
      #expect(Self.reason { try watcher.watch(file.number, 1, .reading) } == .alwaysReady)
    }
    #expect(try watcher.told() == [])
  }

  @Test("a process that may open no more gets none, and says why")
  func outOfDescriptors() async {
    // In a process of its own: the limit holds for all of it.
    await #expect(processExitsWith: .success) {
      var limit = rlimit(rlim_cur: 0, rlim_max: 4096)
      #expect(unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
      for kind in DispatcherKind.all {
        #expect(RefusalTests.reason { _ = try kind.make() } == .outOfRoom)
      }
    }
  }

  @Test("what is watched stays so where no more can be opened")
  func watchedWithoutDescriptors() async {
    await #expect(processExitsWith: .success) {
      for kind in DispatcherKind.all {
        let watcher = try Watcher(kind)
        let events = try (0..<2).map { _ in try watcher.event() }
        try watcher.watch(events[0].number, 1, .reading)
        var limit = rlimit()
        let files = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        #expect(unsafe getrlimit(files, &limit) == 0)
        let before = limit.rlim_cur
        limit.rlim_cur = 0
        #expect(unsafe setrlimit(files, &limit) == 0)
        try watcher.watch(events[1].number, 2, .reading)
        try watcher.change(events[0].number, 3, .reading)
        for event in events { event.signal() }
        #expect(try Set(watcher.keys()) == [2, 3])
        limit.rlim_cur = before
        #expect(unsafe setrlimit(files, &limit) == 0)
      }
    }
  }
}
