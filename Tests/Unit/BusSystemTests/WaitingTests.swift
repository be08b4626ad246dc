import BusSystem
import BusTestSupport
import Glibc
import Synchronization
import Testing

@Suite("Latches, event counters and descriptors")
struct WaitingTests {
  @Test("a latch lets through whoever waits and whoever comes later, and is closed before")
  func latch() {
    let latch = Latch()
    #expect(!latch.isOpen && !latch.wait(Deadline(ns: 1)))
    let through = Atomic(0)
    for _ in 0..<4 {
      SystemThread.start {
        if latch.wait(.never) { through.add(1, ordering: .sequentiallyConsistent) }
      }
    }
    usleep(2000)
    #expect(through.load(ordering: .acquiring) == 0)
    latch.open()
    while through.load(ordering: .acquiring) < 4 { usleep(500) }
    #expect(latch.isOpen && latch.wait(Deadline(ns: 0)))
  }

  @Test("a deadline comes once, at its time, and one beyond the clock's end never")
  func deadlines() {
    let now = Deadline.nowNs
    #expect(Deadline(after: .seconds(-1)).isOver && Deadline(after: .zero).isOver)
    let soon = Deadline(after: .seconds(3600))
    #expect(!soon.isOver && soon.ns - now >= 3_600_000_000_000 && soon < .never)
    #expect(soon.left <= .seconds(3600) && soon.left > .seconds(3000))
    #expect(Deadline(after: .seconds(Int64.max)) == .never && !Deadline.never.isOver)
    #expect(Deadline(after: .nanoseconds(1500)).ns - now >= 1500)
    #expect(Deadline(ns: now).isOver && Deadline(ns: 0).leftNs == 0)
  }

  @Test("a signal ends a wait once, however often it was given")
  func events() throws {
    let event = try EventFD()
    let (here, there) = try #require(RecordSocket.pair())
    let socket = FileDescriptor(here)
    defer { close(there) }
    event.signal()
    event.signal()
    #expect(!event.wait(orSocket: socket, writable: false, milliseconds: -1))
    var watched = pollfd(fd: event.descriptor.number, events: Int16(POLLIN), revents: 0)
    #expect(unsafe poll(&watched, 1, 0) == 0)
    #expect(event.wait(orSocket: socket, writable: true, milliseconds: -1))
    #expect(RecordSocket.send([1], nil, to: there) == .sent)
    #expect(event.wait(orSocket: socket, writable: false, milliseconds: -1))
  }

  @Test("what is handed over is there once, also on another thread")
  func handover() {
    struct Single: ~Copyable, Sendable { let number: Int }
    let handover = Handover(Single(number: 7))
    let seen = Atomic(0)
    let done = Latch()
    SystemThread.start {
      if let single = handover.take() { seen.store(single.number, ordering: .releasing) }
      done.open()
    }
    #expect(done.wait(.never) && seen.load(ordering: .acquiring) == 7)
    let again = handover.take()
    switch again {
    case .none: break
    case .some: Issue.record("it was there twice")
    }
  }

  @Test("a descriptor is closed with its last holder, a second one of the same file is not")
  func descriptors() throws {
    let pipe = try PipeEnds()
    defer { close(pipe.reading) }
    var held: FileDescriptor? = FileDescriptor(pipe.writing)
    let second = try #require(held?.duplicate())
    held = nil
    #expect(fcntl(second, F_GETFD) == FD_CLOEXEC)
    #expect(FileDescriptor.writeAll([1], to: second) == 0)
    close(second)
    var bytes = [UInt8](repeating: 0, count: 2)
    // One byte, and then the end: nobody can write any more.
    #expect(unsafe read(pipe.reading, &bytes, 2) == 1)
    #expect(unsafe read(pipe.reading, &bytes, 2) == 0)
  }

  @Test("the words for an error number are the kernel's, also for one that is none")
  func errnos() {
    #expect(Errno.text(ENOENT) == "No such file or directory")
    #expect(Errno.text(77_777) == "error 77777")
    #expect(SystemError("pipe", EMFILE).reason == "Too many open files")
  }

  @Test("an empty variable is none, and this program's path is a file")
  func environment() throws {
    unsafe setenv("BCS_SYSTEM_TEST", "", 1)
    #expect(ProcessEnvironment.variable("BCS_SYSTEM_TEST") == nil)
    unsafe setenv("BCS_SYSTEM_TEST", "x", 1)
    #expect(ProcessEnvironment.variable("BCS_SYSTEM_TEST") == "x")
    #expect(ProcessEnvironment.variables.contains("BCS_SYSTEM_TEST=x"))
    let path = try #require(ProcessEnvironment.programPath)
    #expect(unsafe access(path, X_OK) == 0)
    #expect(ProcessEnvironment.sibling("other").hasSuffix("/other"))
  }
}
