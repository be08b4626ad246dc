import BinaryComm
import BusLog
import BusTestSupport
import BusWire
import CBusABI
import CBusPlatform
import Foundation
import Glibc
import ProcessSupport
import Testing

/// Sealed blobs between agents and a real router.
@Suite("Blobs", .serialized)
struct ClientBlobTests {
  @Test("written and read in place by way of a topic, also beyond 16 MiB")
  func crosses() throws {
    try Watchdog.bounding("blobs", seconds: 60) {
      let bus = try ClientBus()
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      var reader = try listener.reader("images", mode: .lossless)
      var publisher = try writer.publisher(on: "images")
      try reader.meet()
      for size in [1, 4096, (48 << 20) + 1] {
        let blob = try writer.makeBlob(byteCount: size) { out in
          for place in 0..<size - 1 { out.append(UInt8(truncatingIfNeeded: place * 7)) }
        }
        try publisher.publish("images", blob.reference.encoded)
        var reference: BlobReference?
        while try reader.poll({ reference = $0.blobReference }) == 0 { breathe() }
        #expect(reference == blob.reference)
        let opened = try listener.openBlob(try #require(reference))
        #expect(opened.byteCount == size && opened.bytes.byteCount == size)
        // What was left unwritten, the last byte, is zero.
        let bytes = opened.copy()
        let isWhole = bytes.indices.allSatisfy {
          bytes[$0] == ($0 == size - 1 ? 0 : UInt8(truncatingIfNeeded: $0 * 7))
        }
        #expect(isWhole)
      }
    }
  }

  @Test("let go of, it takes no memory after its time, though its maker does nothing more")
  func memoryGoes() throws {
    try Watchdog.bounding("memory of a blob that is over", seconds: 60) {
      let bus = try ClientBus()
      let writer = try bus.agent("writer")
      // A size that no other file of this process has.
      let size = 7_654_321
      var blob: Blob? = try writer.makeBlob(byteCount: size, keep: .milliseconds(500)) { _ in }
      let files = Self.files(from: size)
      #expect(files.count == 1)
      #expect(blob?.byteCount == size)
      blob = nil
      while !Self.files(from: size).isEmpty { breathe() }
      withExtendedLifetime(writer) {}
    }
  }

  /// The open files of this process with so many bytes, and up to four pages more.
  private static func files(from bytes: Int) -> [Int32] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
    return names.compactMap { Int32($0) }.filter { number in
      var status = stat()
      return unsafe fstat(number, &status) == 0 && (bytes...bytes + 16384) ~= Int(status.st_size)
    }
  }

  @Test("dropped it is gone for new readers, while who has opened it goes on")
  func drop() throws {
    try Watchdog.bounding("dropped blob", seconds: 60) {
      let bus = try ClientBus()
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      let blob = try writer.makeBlob([1, 2, 3])
      let opened = try listener.openBlob(blob.reference)
      opened.drop()
      #expect(try listener.openBlob(blob.reference).copy() == [1, 2, 3])
      blob.drop()
      // The drop and the question go different ways.
      var error: BusError?
      while error == nil {
        error = failure { () throws(BusError) in _ = try listener.openBlob(blob.reference) }
      }
      #expect(error?.code == .notFound)
      writer.close()
      #expect(opened.copy() == [1, 2, 3])
    }
  }

  @Test("its maker's end does not end it before its time", arguments: [true, false])
  func makerEnds(keeps: Bool) throws {
    try Watchdog.bounding("blob of an agent that ended", seconds: 60) {
      let bus = try ClientBus()
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      let blob = try writer.makeBlob([1, 2, 3], keep: keeps ? .seconds(60) : .zero)
      writer.close()
      while try listener.query(.agents).contains(where: { $0["name"] == "writer" }) { breathe() }
      let error = failure { () throws(BusError) in
        let opened = try listener.openBlob(blob.reference)
        #expect(opened.copy() == [1, 2, 3])
      }
      #expect(error?.code == (keeps ? nil : .notFound))
    }
  }

  @Test("a router that was killed is told of what is still held, and asked until it knows")
  func restart() throws {
    try Watchdog.bounding("blob over a restart", seconds: 60) {
      var bus = try ClientBus()
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      let held = try writer.makeBlob(numbered(1))
      let dropped = try writer.makeBlob(numbered(2))
      dropped.drop()
      // Let go of, and to be kept all the same.
      let released = try writer.makeBlob(numbered(4)).reference
      #expect(held.isOffered && !dropped.isOffered)
      try bus.endRouter(SIGKILL)
      let made = Worker { try writer.makeBlob(numbered(3)).byteCount }
      try bus.startRouter()
      #expect(try listener.openBlob(held.reference).copy() == numbered(1))
      #expect(try made.join() == 8)
      #expect(try listener.openBlob(released).copy() == numbered(4))
      let error = failure { () throws(BusError) in
        _ = try listener.openBlob(dropped.reference)
      }
      #expect(error?.code == .notFound)
    }
  }

  @Test("what is asked of a router that has just been killed is asked of the next one")
  func askedOfTheDead() throws {
    try Watchdog.bounding("blob for a dead router", seconds: 60) {
      var bus = try ClientBus()
      let writer = try bus.agent("writer")
      let (isBack, goesOn) = (Flag(), Flag())
      // The thread that would find that this router has ended, too, stands still here.
      writer.onRouterChange { isPresent in
        guard isPresent else { return }
        isBack.raise()
        goesOn.wait()
      }
      try bus.endRouter(SIGKILL)
      try bus.startRouter()
      isBack.wait()
      try bus.endRouter(SIGKILL)
      let made = Worker { try writer.makeBlob(numbered(1)).byteCount }
      usleep(50_000)
      goesOn.raise()
      try bus.startRouter()
      #expect(try made.join() == 8)
    }
  }

  @Test("a router that is too slow keeps nothing of a blob whose maker gave up waiting")
  func slowRouter() throws {
    try Watchdog.bounding("blob and a stopped router", seconds: 60) {
      let bus = try ClientBus()
      let writer = try bus.agent("writer")
      let charged = try writer.agentRow("writer")["bytes"]
      #expect(kill(bus.routerPid, SIGSTOP) == 0)
      let error = failure { () throws(BusError) in _ = try writer.makeBlob(numbered(1)) }
      #expect(error?.code == .timeout)
      #expect(kill(bus.routerPid, SIGCONT) == 0)
      #expect(try writer.agentRow("writer")["bytes"] == charged)
    }
  }

  @Test("a router that comes back with less room says so of a blob, and takes the rest")
  func shrunkQuota() throws {
    try Watchdog.bounding("blob and a smaller quota", seconds: 60) {
      var bus = try ClientBus()
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      let large = try writer.makeBlob([UInt8](repeating: 1, count: 8 << 20))
      try bus.endRouter(SIGKILL)
      try bus.startRouter(["--agent-quota", "4MiB"])
      let small = try writer.makeBlob(numbered(1))
      #expect(small.isOffered && !large.isOffered)
      let error = failure { () throws(BusError) in _ = try listener.openBlob(large.reference) }
      #expect(error?.code == .notFound)
      #expect(try listener.openBlob(small.reference).copy() == numbered(1))
    }
  }

  @Test("more than the quota, than an hour, or nothing at all is refused with a reason")
  func refused() throws {
    try Watchdog.bounding("refused blobs", seconds: 60) {
      let bus = try ClientBus(["--agent-quota", "4MiB"])
      let writer = try bus.agent("writer")
      func error(_ bytes: Int, _ keep: Duration = .seconds(1)) -> BusError? {
        failure { () throws(BusError) in
          _ = try writer.makeBlob(byteCount: bytes, keep: keep) { _ in }
        }
      }
      #expect(error(8 << 20)?.code == .resourceExhausted)
      #expect(error(8 << 20)?.detail.contains("quota") == true)
      #expect(error(2 << 30)?.detail.contains("arena") == true)
      #expect(error(0)?.code == .invalid && error(1, .seconds(3601))?.code == .invalid)
      #expect(error(1, .seconds(-1))?.code == .invalid)
      #expect(error(1 << 20) == nil)
      let unknown = BlobReference(
        token: BusUUID(word0: 1, word1: 2), maker: Incarnation(writer.incarnation), byteCount: 3)
      let missing = failure { () throws(BusError) in _ = try writer.openBlob(unknown) }
      #expect(missing?.code == .notFound)
    }
  }

  @Test("a thousand blobs, made and dropped, leave nothing behind in either process")
  func leftovers() throws {
    try Watchdog.bounding("a thousand blobs", seconds: 120) {
      let bus = try ClientBus()
      let writer = try bus.agent("writer")
      let charged = try writer.agentRow("writer")["bytes"]
      let own = openDescriptors(of: getpid())
      let router = openDescriptors(of: bus.routerPid)
      for number in 0..<1000 {
        let blob = try writer.makeBlob(numbered(number, bytes: 5000))
        let opened = try writer.openBlob(blob.reference)
        #expect(opened.byteCount == 5000)
        blob.drop()
      }
      while try writer.agentRow("writer")["bytes"] != charged { breathe() }
      #expect(openDescriptors(of: bus.routerPid) <= router + 1)
      // Other tests of this process open some, too: far fewer than a thousand.
      #expect(openDescriptors(of: getpid()) < own + 500)
    }
  }

  @Test("what may still be written to, or is not what it says, is refused and not kept")
  func hostile() throws {
    try Watchdog.bounding("hostile blobs", seconds: 60) {
      let bus = try ClientBus()
      let client = try RouterClient(bus.directory + "/router.sock")
      defer { client.close() }
      _ = try client.register("thief")
      let token = BusUUID(word0: 5, word1: 6)
      for lie in BlobLie.allCases {
        let file = try lie.file(token)
        let frame = AddBlobFrame(
          token: token, segmentBytes: file.bytes, payloadBytes: 4000, keepMs: 1000)
        let refusal = try client.refusal(.addBlob(frame), [file.descriptor])
        file.close()
        #expect(refusal == (lie == .none ? nil : .invalid), "\(lie)")
      }
    }
  }
}

/// What is wrong with a blob.
private enum BlobLie: CaseIterable {
  case writable, unallocated, size, payload, noPayload, layout, none

  func file(_ token: BusUUID) throws -> TestSegment {
    var bytes = [UInt8](repeating: 0, count: 256)
    func put(_ value: UInt64, _ at: Int, _ count: Int) {
      for place in 0..<count { bytes[at + place] = UInt8(truncatingIfNeeded: value >> (8 * place)) }
    }
    put(UInt64(BUS_BLOB_MAGIC), 0, 4)
    put(self == .layout ? 99 : UInt64(BUS_LAYOUT_VERSION), 4, 2)
    put(self == .size ? 12288 : 8192, 8, 8)
    put(self == .payload ? 4097 : self == .noPayload ? 0 : 4000, 16, 8)
    put(token.word0, 24, 8)
    put(token.word1, 32, 8)
    let file = try TestSegment.make(
      bytes, bytes: 8192, allocated: self != .unallocated, sealed: false)
    let sealed = self == .writable ? plat_seal(file.descriptor) : plat_seal_whole(file.descriptor)
    guard sealed >= 0 else { throw ClientFailure.system("seal", -sealed) }
    return file
  }
}

extension Agent {
  /// The router's row about an agent.
  fileprivate func agentRow(_ name: String) throws -> [String: String] {
    try #require(try query(.agents).first { $0["name"] == name })
  }
}

private func openDescriptors(of pid: Int32) -> Int {
  (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd").count) ?? 0
}
