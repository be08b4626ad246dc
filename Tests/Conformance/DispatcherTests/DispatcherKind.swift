import BusDispatcher
import BusPorts
import BusSystem
import Glibc
import Testing

/// An implementation of the port: every test of this target runs with each of them.
struct DispatcherKind: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let make: @Sendable () throws -> any Dispatcher

  init(_ name: String, _ make: @escaping @Sendable () throws -> any Dispatcher) {
    testDescription = name
    self.make = make
  }

  /// A second one gets its line here.
  static let all = [DispatcherKind("epoll") { try EpollDispatcher() }]
}

/// A dispatcher as a test speaks to it; what is watched stays open for as long as it.
final class Watcher {
  let dispatcher: any Dispatcher
  private var kept: [AnyObject] = []

  init(_ kind: DispatcherKind) throws { dispatcher = try kind.make() }

  func watch(_ descriptor: Int32, _ key: UInt64, _ interest: Interest) throws {
    try dispatcher.watch(descriptor, as: WatchKey(key), for: interest)
  }

  func change(_ descriptor: Int32, _ key: UInt64, _ interest: Interest) throws {
    try dispatcher.change(descriptor, as: WatchKey(key), to: interest)
  }

  func stop(_ descriptor: Int32) throws { try dispatcher.stop(descriptor) }

  /// Keeps what a test made: else it is closed after its last use, though it is still watched.
  func keep<Owner: AnyObject>(_ owner: Owner) -> Owner {
    kept.append(owner)
    return owner
  }

  func event() throws -> EventFD { keep(try EventFD()) }

  /// Connected sockets.
  func sockets() throws -> Ends {
    let ends = try #require(RecordSocket.pair())
    return keep(Ends(ends.0, ends.1))
  }

  /// A pipe, which is read here and written there.
  func pipe() throws -> Ends {
    let ends = try PipeEnds()
    return keep(Ends(ends.reading, ends.writing))
  }

  /// What a wait tells, in its order; 0 looks only.
  func told(room: Int = 16, _ timeoutMs: Int32 = 0) throws -> [ReadyDescriptor] {
    defer { withExtendedLifetime(kept) {} }
    var ready = [ReadyDescriptor](repeating: .none, count: room)
    let count = try dispatcher.wait(into: &ready, timeoutMs: timeoutMs)
    return Array(ready.prefix(count))
  }

  /// The keys alone.
  func keys(room: Int = 16, _ timeoutMs: Int32 = 0) throws -> [UInt64] {
    try told(room: room, timeoutMs).map(\.key.value)
  }
}

/// Two ends that belong together; what a test has not closed is closed with them.
final class Ends {
  private(set) var here: Int32
  private(set) var there: Int32

  init(_ here: Int32, _ there: Int32) { (self.here, self.there) = (here, there) }

  deinit {
    closeHere()
    closeThere()
  }

  func closeHere() {
    if here >= 0 { close(here) }
    here = -1
  }

  func closeThere() {
    if there >= 0 { close(there) }
    there = -1
  }
}

extension EventFD {
  var number: Int32 { descriptor.number }
}

extension ReadyDescriptor {
  /// As a test writes it.
  static func told(
    _ key: UInt64, reading: Bool = false, writing: Bool = false, hungUp: Bool = false
  ) -> ReadyDescriptor {
    ReadyDescriptor(WatchKey(key), canRead: reading, canWrite: writing, hasHungUp: hungUp)
  }
}
