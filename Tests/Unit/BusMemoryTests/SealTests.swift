import BusMemory
import BusTestSupport
import CBusPlatform
import Foundation
import Glibc
import Testing

/// What an attacker who holds a descriptor tries; each must be refused by the kernel.
private enum Attack: String, CaseIterable {
  case reopen, map, protect, write, shrink, grow, punch, seal, mode

  /// True when the attack was refused; `descriptor` is the attacker's own copy.
  func isRefused(_ descriptor: Int32, bytes: Int, isOwner: Bool) -> Bool {
    switch self {
    case .reopen:
      let again = unsafe open("/proc/self/fd/\(descriptor)", O_RDWR)
      guard again >= 0 else { return true }
      // The owner may open its own file: what counts is that this opens no way to its bytes.
      defer { close(again) }
      return isOwner
        && [.map, .write, .shrink, .grow, .punch].allSatisfy { (attack: Attack) in
          attack.isRefused(again, bytes: bytes, isOwner: true)
        }
    case .map:
      return unsafe Self.mapping(descriptor, bytes, PROT_READ | PROT_WRITE) == nil
    case .protect:
      guard let mapped = unsafe Self.mapping(descriptor, bytes, PROT_READ) else { return true }
      defer { unsafe munmap(mapped, bytes) }
      return unsafe mprotect(mapped, bytes, PROT_READ | PROT_WRITE) != 0
    case .write:
      var byte: UInt8 = 0xFF
      return unsafe pwrite(descriptor, &byte, 1, 64) < 0
    case .shrink: return ftruncate(descriptor, off_t(bytes / 2)) != 0
    case .grow: return ftruncate(descriptor, off_t(bytes * 2)) != 0
    case .punch:
      // FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE
      return LibC.fallocate(descriptor, 0x01 | 0x02, 0, off_t(bytes)) != 0
    case .seal:
      // F_ADD_SEALS with F_SEAL_WRITE
      return fcntl(descriptor, 1033, 0x0008) != 0
    case .mode: return isOwner || fchmod(descriptor, 0o666) != 0
    }
  }

  private static func mapping(
    _ descriptor: Int32, _ bytes: Int, _ protection: Int32
  ) -> UnsafeMutableRawPointer? {
    let mapped = unsafe mmap(nil, bytes, protection, MAP_SHARED, descriptor, 0)
    return unsafe mapped == MAP_FAILED ? nil : mapped
  }
}

@Suite("Seals and permissions", .serialized)
struct SealTests {
  private static let sizes = [("page", 4096), ("reader", 65536), ("log", 8192 + 16384)]

  private func sealed(_ bytes: Int) throws -> Int32 {
    let segment = try OwnedSegment(name: "sealed", bytes: bytes)
    unsafe segment.base.storeBytes(of: 0x5EA1, as: UInt32.self)
    try segment.seal()
    return dup(segment.descriptor)
  }

  @Test("no descriptor of a sealed segment lets its own user change a byte")
  func sameUser() throws {
    var cells = 0
    for (name, bytes) in Self.sizes {
      let descriptor = try sealed(bytes)
      defer { close(descriptor) }
      for attack in Attack.allCases where attack != .mode {
        let refused = attack.isRefused(descriptor, bytes: bytes, isOwner: true)
        #expect(refused, "\(name): \(attack.rawValue)")
        cells += 1
      }
      let peer = try PeerSegment(consuming: dup(descriptor), announced: UInt64(bytes))
      #expect(unsafe peer.lentBase.load(as: UInt32.self) == 0x5EA1)
    }
    print("seal matrix, same user: \(cells) cells refused")
  }

  @Test(
    "another user, given the descriptor, cannot even open it again",
    .enabled(if: geteuid() == 0, "only root can become another user"))
  func otherUser() throws {
    var cells = 0
    for (name, bytes) in Self.sizes {
      let descriptor = try sealed(bytes)
      defer { close(descriptor) }
      for attack in Attack.allCases {
        #expect(
          asNobody { attack.isRefused(descriptor, bytes: bytes, isOwner: false) } == 0,
          "\(name): \(attack.rawValue)")
        cells += 1
      }
    }
    print("seal matrix, other user: \(cells) cells refused")
  }

  @Test("the attacks succeed where the seals are missing")
  func control() throws {
    let segment = try OwnedSegment(name: "unsealed", bytes: 8192)
    let descriptor = segment.descriptor
    for attack in [Attack.map, .protect, .write, .punch, .reopen, .grow, .shrink] {
      #expect(!attack.isRefused(descriptor, bytes: 8192, isOwner: true), "\(attack.rawValue)")
    }
    // Without a writable mapping, which forbids it by itself, anybody could add a seal.
    let plain = unsafe plat_memfd("plain")
    defer { close(plain) }
    #expect(plat_allocate(plain, 8192) == 0)
    #expect(!Attack.seal.isRefused(plain, bytes: 8192, isOwner: true))
  }

  @Test(
    "another user's attack succeeds where the mode is the kernel's own",
    .enabled(if: geteuid() == 0, "only root can become another user"))
  func otherUserControl() throws {
    let open = unsafe plat_memfd("open to all")
    defer { close(open) }
    _ = ftruncate(open, 8192)
    let wasRefused = asNobody { Attack.reopen.isRefused(open, bytes: 8192, isOwner: false) }
    #expect(wasRefused != 0, "the kernel's default mode lets any user open it again")
  }

  @Test("a forked child does not have the mapping")
  func fork() throws {
    let segment = try OwnedSegment(name: "forked", bytes: 8192)
    let base = unsafe UInt(bitPattern: segment.base)
    // msync says ENOMEM for what is not mapped, and touches nothing.
    let status = inChild {
      unsafe msync(UnsafeMutableRawPointer(bitPattern: base), 4096, MS_ASYNC) != 0
    }
    #expect(status == 0)
    #expect(unsafe msync(segment.base, 4096, MS_ASYNC) == 0)
  }

  private func asNobody(_ body: () -> Bool) -> Int32 {
    inChild {
      // PR_SET_DUMPABLE: else /proc/self/fd is closed to who has just changed its user.
      setgid(65534) == 0 && setuid(65534) == 0 && LibC.prctl(4, 1, 0, 0, 0) == 0 && body()
    }
  }
}

/// Runs `body`, which only makes system calls, in a forked child; 0 when it was true.
private func inChild(_ body: () -> Bool) -> Int32 {
  let pid = LibC.fork()
  if pid == 0 { _exit(body() ? 0 : 1) }
  var status: Int32 = -1
  unsafe waitpid(pid, &status, 0)
  return status
}

/// What Swift's Glibc module hides: variadic functions, and fork because of threads.
private enum LibC {
  static func fork() -> Int32 {
    typealias Call = @convention(c) () -> Int32
    guard let call = unsafe dlsym(nil, "fork") else { return -1 }
    return unsafe unsafeBitCast(call, to: Call.self)()
  }

  static func fallocate(_ file: Int32, _ mode: Int32, _ offset: off_t, _ bytes: off_t) -> Int32 {
    typealias Call = @convention(c) (Int32, Int32, off_t, off_t) -> Int32
    guard let call = unsafe dlsym(nil, "fallocate") else { return 0 }
    return unsafe unsafeBitCast(call, to: Call.self)(file, mode, offset, bytes)
  }

  static func prctl(_ what: Int32, _ a: UInt, _ b: UInt, _ c: UInt, _ d: UInt) -> Int32 {
    typealias Call = @convention(c) (Int32, UInt, UInt, UInt, UInt) -> Int32
    guard let call = unsafe dlsym(nil, "prctl") else { return -1 }
    return unsafe unsafeBitCast(call, to: Call.self)(what, a, b, c, d)
  }
}
