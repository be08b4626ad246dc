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
    #expect(unsafe whole.lentBase.load(fromByteOffset: 8, as: UInt64.self) == 77)
    #expect(unsafe part.lentBase.load(fromByteOffset: 8, as: UInt64.self) == 77)
    #expect(throws: MemoryError.self) {
      _ = try PeerSegment(consuming: dup(segment.descriptor), announced: 16384, mapping: 0)
    }
    #expect(throws: MemoryError.self) {
      _ = try PeerSegment(consuming: dup(segment.descriptor), announced: 16384, mapping: -4096)
    }
  }

  @Test("bytes of a peer are copied out or loaded word by word, and only within the mapping")
  func copies() throws {
    let segment = try OwnedSegment(name: "copies", bytes: 8192)
    for offset in 0..<8192 {
      unsafe segment.base.storeBytes(
        of: UInt8(truncatingIfNeeded: offset &* 7), toByteOffset: offset, as: UInt8.self)
    }
    try segment.seal()
    let peer = try PeerSegment(
      consuming: dup(segment.descriptor), announced: 8192, mapping: 4096)
    for (offset, count) in [(0, 0), (0, 4096), (1, 7), (3, 17), (4095, 1), (4096, 0), (4088, 8)] {
      let wanted = (offset..<offset + count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
      #expect(try peer.copy(at: offset, count: count) == wanted, "\(offset) \(count)")
    }
    for (offset, count) in [
      (-1, 1), (0, -1), (0, 4097), (4096, 1), (4097, 0), (.max, 1), (1, .max), (.min, .min),
    ] {
      #expect(throws: MemoryError.self) { _ = try peer.copy(at: offset, count: count) }
    }
    for offset in [-8, -1, 1, 4, 4092, 4096, Int.max, Int.max - 7, Int.min] {
      #expect(throws: MemoryError.self) { _ = try peer.word64(at: offset) }
    }
    for offset in [-4, 1, 2, 4094, 4096, Int.max - 3, Int.min] {
      #expect(throws: MemoryError.self) { _ = try peer.word32(at: offset) }
    }
    let copied = try peer.copy(at: 4088, count: 8)
    let word = try peer.word64(at: 4088).loadRelaxed()
    #expect(copied.enumerated().allSatisfy { $1 == UInt8(truncatingIfNeeded: word >> ($0 * 8)) })
  }

  @Test("a file that was allocated has no hole, though nobody has touched its pages")
  func filled() throws {
    let file = unsafe plat_memfd("filled")
    defer { close(file) }
    #expect(plat_allocate(file, 1 << 20) == 0)
    #expect(plat_first_hole(file) == 1 << 20)
    var status = stat()
    #expect(unsafe fstat(file, &status) == 0)
    #expect(
      PeerSegment.isWhole(file, bytes: 1 << 20, allocated: UInt64(status.st_blocks) * 512))
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

  /// Reserves pages in a file, or behind its end without making it larger.
  private static func reserve(_ file: Int32, behindTheEnd: Bool, _ bytes: off_t) -> Int32 {
    typealias Call = @convention(c) (Int32, Int32, off_t, off_t) -> Int32
    guard let call = unsafe dlsym(nil, "fallocate") else { return -1 }
    return unsafe unsafeBitCast(call, to: Call.self)(
      file, behindTheEnd ? 1 : 0, behindTheEnd ? 8192 : 0, bytes)
  }

  private typealias Bad = (String, Int32, UInt64, (MemoryError) -> Bool)

  private func badDescriptors() throws -> [Bad] {
    func isUnsealed(_ error: MemoryError) -> Bool {
      if case .unsealed = error { true } else { false }
    }
    func isHoles(_ error: MemoryError) -> Bool {
      if case .holes(bytes: 8192, _) = error { true } else { false }
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
    // As many pages as the file needs, all of them behind its end.
    let behind = unsafe plat_memfd("behind the end")
    _ = ftruncate(behind, 8192)
    _ = Self.reserve(behind, behindTheEnd: true, 8192)
    _ = plat_seal(behind)
    // Reserved, and never written to: whoever reads first would fill it.
    let reserved = unsafe plat_memfd("reserved")
    _ = ftruncate(reserved, 8192)
    _ = Self.reserve(reserved, behindTheEnd: false, 8192)
    _ = plat_seal(reserved)
    // Whole, and a store of memory behind its end that no quota counts.
    let hoard = unsafe plat_memfd("hoard")
    _ = plat_allocate(hoard, 8192)
    _ = Self.reserve(hoard, behindTheEnd: true, 4 << 20)
    _ = plat_seal(hoard)
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
      ("holes", holes, 8192, { $0 == .holes(bytes: 8192, allocated: 0) }),
      ("pages behind the end", behind, 8192, isHoles),
      ("reserved pages", reserved, 8192, isHoles), ("a hoard", hoard, 8192, isHoles),
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
