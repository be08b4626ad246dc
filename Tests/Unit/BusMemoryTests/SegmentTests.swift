import BusMemory
import CBusPlatform
import Foundation
import Glibc
import Testing

@Suite("Segments", .serialized)
struct SegmentTests {
  @Test("a segment is zero-filled, allocated, private to its user, and sealed when asked")
  func making() throws {
    let segment = try OwnedSegment(name: "made", bytes: 16384)
    #expect(segment.bytes == 16384)
    let bytes = unsafe UnsafeRawBufferPointer(start: segment.base, count: 16384)
    #expect(unsafe bytes.allSatisfy { $0 == 0 })
    var status = stat()
    #expect(unsafe fstat(segment.descriptor, &status) == 0)
    #expect(status.st_size == 16384 && status.st_blocks * 512 >= 16384)
    #expect(status.st_mode & 0o777 == 0o600)
    #expect(fcntl(segment.descriptor, F_GETFD) & FD_CLOEXEC != 0)
    // The kernel may add its seal against execution; ours come with seal().
    #expect(plat_seals(segment.descriptor) & PLAT_SEALS_REQUIRED == 0)
    try segment.seal()
    #expect(plat_seals(segment.descriptor) & PLAT_SEALS_REQUIRED == PLAT_SEALS_REQUIRED)
    #expect(throws: MemoryError.self) { try segment.seal() }
  }

  @Test("a size that is no whole number of pages is refused")
  func sizes() {
    for bytes in [0, -1, -4096, 1, 4095, 4097, Int.min] {
      #expect(throws: MemoryError.layout(field: "size", value: UInt64(clamping: bytes))) {
        _ = try OwnedSegment(name: "odd", bytes: bytes).bytes
      }
    }
  }

  @Test("two mappings show the same bytes, and a part can be mapped")
  func mapping() throws {
    let segment = try OwnedSegment(name: "two", bytes: 16384)
    try segment.seal()
    let whole = try PeerSegment(consuming: dup(segment.descriptor), announced: 16384)
    let part = try PeerSegment(
      consuming: dup(segment.descriptor), announced: 16384, mapping: 4096, populate: false)
    #expect(whole.bytes == 16384 && part.bytes == 4096 && part.fileBytes == 16384)
    unsafe segment.base.storeBytes(of: 77, toByteOffset: 8, as: UInt64.self)
    #expect(unsafe whole.base.load(fromByteOffset: 8, as: UInt64.self) == 77)
    #expect(unsafe part.base.load(fromByteOffset: 8, as: UInt64.self) == 77)
    #expect(throws: MemoryError.self) {
      _ = try PeerSegment(consuming: dup(segment.descriptor), announced: 16384, mapping: 0)
    }
    #expect(throws: MemoryError.self) {
      _ = try PeerSegment(consuming: dup(segment.descriptor), announced: 16384, mapping: -4096)
    }
  }

  @Test("a descriptor that is no sealed, full memory file of the announced size is refused")
  func refusals() throws {
    let before = openDescriptors()
    for (what, descriptor, announced, wanted) in try badDescriptors() {
      do {
        _ = try PeerSegment(consuming: descriptor, announced: announced)
        Issue.record("\(what) was taken")
      } catch {
        #expect(wanted(error), "\(what): \(error)")
        #expect(!error.message.isEmpty)
      }
    }
    #expect(openDescriptors() == before)
  }

  @Test("taking and dropping segments leaves no descriptor and no mapping behind")
  func leaks() throws {
    let (before, mappings) = (openDescriptors(), mapped())
    for _ in 0..<500 {
      let segment = try OwnedSegment(name: "leakcheck", bytes: 8192)
      #expect(throws: MemoryError.self) {
        _ = try PeerSegment(consuming: dup(segment.descriptor), announced: 8192)
      }
      try segment.seal()
      let peer = try PeerSegment(consuming: dup(segment.descriptor), announced: 8192)
      #expect(peer.bytes == 8192)
    }
    #expect(openDescriptors() == before)
    #expect(mapped() == mappings)
  }

  // O_TMPFILE and O_PATH, which Swift's Glibc module hides.
  private static let unnamedFile: Int32 = 0o20_200_000
  private static let pathOnly: Int32 = 0o10_000_000

  private typealias Bad = (String, Int32, UInt64, (MemoryError) -> Bool)

  private func badDescriptors() throws -> [Bad] {
    func isUnsealed(_ error: MemoryError) -> Bool {
      if case .unsealed = error { true } else { false }
    }
    func isSystem(_ error: MemoryError) -> Bool {
      if case .system(call: "fstat", errno: EBADF) = error { true } else { false }
    }
    let unsealed = try OwnedSegment(name: "unsealed segment", bytes: 8192)
    let sealed = try OwnedSegment(name: "sealed segment", bytes: 8192)
    try sealed.seal()
    let half = unsafe plat_memfd("half sealed")
    _ = plat_allocate(half, 8192)
    _ = fcntl(half, 1033, 0x0002 | 0x0004)
    let holes = unsafe plat_memfd("holes")
    _ = ftruncate(holes, 8192)
    _ = plat_seal(holes)
    var ends: [Int32] = [0, 0]
    _ = unsafe pipe(&ends)
    close(ends[1])
    let file = unsafe open("/tmp", Self.unnamedFile | O_RDWR, 0o600)
    _ = ftruncate(file, 8192)
    let wrong = MemoryError.wrongSize(announced: 4096, found: 8192)
    let absurd = MemoryError.wrongSize(announced: .max, found: 8192)
    return [
      ("unsealed", dup(unsealed.descriptor), 8192, isUnsealed),
      ("half sealed", half, 8192, isUnsealed),
      ("too small a size", dup(sealed.descriptor), 4096, { $0 == wrong }),
      ("an absurd size", dup(sealed.descriptor), .max, { $0 == absurd }),
      ("holes", holes, 8192, { $0 == .wrongSize(announced: 8192, found: 0) }),
      ("a pipe", ends[0], 8192, { $0 == .notMemory }),
      ("a directory", unsafe open("/tmp", O_RDONLY), 8192, { $0 == .notMemory }),
      ("a regular file", file, 8192, { $0 == .notMemory }),
      ("a path only", unsafe open("/tmp", Self.pathOnly), 8192, { $0 == .notMemory }),
      ("a device", unsafe open("/dev/zero", O_RDWR), 8192, { $0 == .notMemory }),
      ("closed", 19_999, 8192, isSystem), ("negative", -1, 8192, isSystem),
    ]
  }

  /// Open memory files of these tests: other suites run at the same time.
  private func openDescriptors() -> Int {
    let all = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
    let names = ["leakcheck", "unsealed segment", "sealed segment", "half sealed", "holes"]
    return all.filter { entry in
      let path = "/proc/self/fd/\(entry)"
      let target = (try? FileManager.default.destinationOfSymbolicLink(atPath: path)) ?? ""
      return names.contains { target.contains($0) }
    }.count
  }

  private func mapped() -> Int {
    let text = (try? String(contentsOfFile: "/proc/self/maps", encoding: .utf8)) ?? ""
    return text.split(separator: "\n").filter { $0.contains("leakcheck") }.count
  }
}
