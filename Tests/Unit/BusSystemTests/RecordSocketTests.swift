import BusSystem
import BusTestSupport
import Glibc
import Testing

@Suite("Sockets of records")
struct RecordSocketTests {
  /// Two connected sockets, closed with the test.
  private final class Ends {
    let here: Int32
    let there: Int32
    init() throws { (here, there) = try #require(RecordSocket.pair()) }
    deinit {
      close(here)
      close(there)
    }
  }

  @Test("records keep their bounds and bring their descriptors")
  func records() throws {
    let ends = try Ends()
    let pipe = try PipeEnds()
    defer { for end in [pipe.reading, pipe.writing] { close(end) } }
    var room = [UInt8](repeating: 0, count: 16)
    #expect(RecordSocket.receive(ends.there, &room) == .nothing)
    #expect(RecordSocket.send([1, 2, 3], nil, to: ends.here) == .sent)
    #expect(RecordSocket.send([4], pipe.writing, to: ends.here) == .sent)
    let plain = RecordSocket.Record(
      bytes: [1, 2, 3], descriptors: [], isTruncated: false, lacksDescriptors: false)
    #expect(RecordSocket.receive(ends.there, &room) == .record(plain))
    guard case .record(let second) = RecordSocket.receive(ends.there, &room) else {
      Issue.record("the second record did not come")
      return
    }
    #expect(second.bytes == [4] && second.descriptors.count == 1)
    let given = try #require(second.descriptors.first)
    #expect(FileDescriptor.writeAll([9], to: given) == 0)
    close(given)
    var byte: UInt8 = 0
    #expect(unsafe read(pipe.reading, &byte, 1) == 1 && byte == 9)
  }

  @Test("a record that is longer than the room says so, and one of exactly the room does not")
  func truncated() throws {
    let ends = try Ends()
    var room = [UInt8](repeating: 0, count: 4)
    for (length, isTruncated) in [(4, false), (5, true), (400, true)] {
      let bytes = [UInt8](repeating: 7, count: length)
      #expect(RecordSocket.send(bytes, nil, to: ends.here) == .sent)
      let record = RecordSocket.Record(
        bytes: [7, 7, 7, 7], descriptors: [], isTruncated: isTruncated, lacksDescriptors: false)
      #expect(RecordSocket.receive(ends.there, &room) == .record(record))
    }
  }

  @Test("descriptors for which this process has no room are said to be missing")
  func noRoom() async {
    // In a process of its own: the limit holds for all of it.
    await #expect(processExitsWith: .success) {
      let ends = try #require(RecordSocket.pair())
      #expect(RecordSocket.send([1], ends.0, to: ends.0) == .sent)
      var limit = rlimit(rlim_cur: 0, rlim_max: 4096)
      #expect(unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
      var room = [UInt8](repeating: 0, count: 4)
      let record = RecordSocket.Record(
        bytes: [1], descriptors: [], isTruncated: false, lacksDescriptors: true)
      #expect(RecordSocket.receive(ends.1, &room) == .record(record))
      // Also of a record without bytes, which is no end while descriptors came with it.
      limit.rlim_cur = 64
      #expect(unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
      #expect(RecordSocket.send([], ends.0, to: ends.0) == .sent)
      limit.rlim_cur = 0
      #expect(unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
      let empty = RecordSocket.Record(
        bytes: [], descriptors: [], isTruncated: false, lacksDescriptors: true)
      #expect(RecordSocket.receive(ends.1, &room) == .record(empty))
    }
  }

  @Test("a kernel that is short of memory ends no connection")
  func starved() {
    #expect(RecordSocket.Received(failure: EAGAIN) == .nothing)
    #expect(RecordSocket.Received(failure: ENOMEM) == .starved)
    #expect(RecordSocket.Received(failure: ENOBUFS) == .starved)
    for number in [ECONNRESET, ENOTCONN, EBADF] {
      #expect(RecordSocket.Received(failure: number) == .ended)
    }
  }

  @Test("a socket without room is full, and one whose other end is gone has ended")
  func ends() throws {
    let (here, there) = try #require(RecordSocket.pair())
    defer { close(here) }
    var sent = RecordSocket.Sent.sent
    for _ in 0..<100_000 where sent == .sent {
      sent = RecordSocket.send([UInt8](repeating: 0, count: 1024), nil, to: here)
    }
    #expect(sent == .full)
    close(there)
    #expect(RecordSocket.send([1], nil, to: here) == .ended)
    var room = [UInt8](repeating: 0, count: 4)
    #expect(RecordSocket.receive(here, &room) == .ended)
  }

  @Test("a path finds its socket, and one that no socket can have is refused")
  func paths() throws {
    let folder = try TemporaryDirectory("socket")
    let path = folder.file("s")
    let listener = RecordSocket.make(nonblocking: true)
    let caller = RecordSocket.make()
    defer { for socket in [listener, caller] { close(socket) } }
    #expect(RecordSocket.connect(caller, to: path) == -ENOENT)
    #expect(RecordSocket.bind(listener, to: path) == 0)
    #expect(RecordSocket.bind(RecordSocket.make(), to: path) == -EADDRINUSE)
    #expect(RecordSocket.connect(caller, to: path) == -ECONNREFUSED)
    #expect(listen(listener, 1) == 0)
    #expect(RecordSocket.connect(caller, to: path) == 0)
    let long = String(repeating: "x", count: RecordSocket.pathBytesMax + 1)
    #expect(RecordSocket.connect(caller, to: long) == -ENAMETOOLONG)
    #expect(fcntl(caller, F_GETFD) == FD_CLOEXEC)
  }
}
