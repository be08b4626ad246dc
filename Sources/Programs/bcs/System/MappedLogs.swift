import BusLog
import BusSystem
import CBusABI
import Glibc

/// The logs of inboxes that a process has in its memory, as the kernel lists them.
///
/// An inbox log is with its writer and its one reader alone: nobody else holds a descriptor of it,
/// the router neither. The kernel lets a process look into others of its own user, as a debugger
/// does, also into one that is stopped, and nothing of theirs changes.
struct MappedLogs {
  /// A log in the memory of a process.
  struct Place: Hashable {
    /// The memory file: writer and reader have the same.
    let file: String
    let address: UInt64
    let bytes: UInt64
  }

  /// Why a process cannot be looked into.
  struct Refusal: Error, Equatable {
    let reason: String
  }

  let pid: Int32
  let places: [Place]
  private let memory: Int32

  /// Lists the inbox logs of a process.
  init(of pid: Int32) throws(Refusal) {
    self.pid = pid
    guard let maps = try? Input.file("/proc/\(pid)/maps", limit: 64 << 20) else {
      throw Refusal(reason: Errno.text(errno))
    }
    places = String(decoding: maps, as: UTF8.self).split(separator: "\n").compactMap(Self.place)
    memory = unsafe open("/proc/\(pid)/mem", O_RDONLY | O_CLOEXEC)
    guard memory >= 0 else { throw Refusal(reason: Errno.text(errno)) }
  }

  /// Lets go of the process.
  func close() { _ = Glibc.close(memory) }

  /// The log at a line of `/proc/PID/maps`; nil: the line is about something else.
  ///
  ///     7f00a000-7f00f000 rw-s 00000000 00:01 1046  /memfd:bcs:bcs.inbox.7.normal (deleted)
  static func place(_ line: Substring) -> Place? {
    let words = line.split(separator: " ", maxSplits: 5)
    guard words.count == 6, words[5].drop(while: { $0 == " " }).hasPrefix("/memfd:bcs:bcs.inbox.")
    else { return nil }
    let ends = words[0].split(separator: "-").compactMap { UInt64($0, radix: 16) }
    let most = LogIdentity.encodedBytes + Int(LogShape.capacityMax) + (2 << 20)
    guard ends.count == 2, ends[1] > ends[0], ends[1] - ends[0] <= UInt64(most) else { return nil }
    return Place(file: "\(words[3]) \(words[4])", address: ends[0], bytes: ends[1] - ends[0])
  }

  /// A copy of a log; nil when it is not there any more, or is none.
  ///
  /// `commit` is read before the bytes and `reserve` behind them: what lies below the one, and is
  /// not yet under the pen by the other, was whole when it was copied.
  func copy(_ place: Place) -> LogCopy? {
    guard let head = read(place, 0, LogIdentity.encodedBytes),
      let identity = try? LogIdentity(copied: head, fileBytes: place.bytes),
      let commit = word(place, identity.hotOffset, BUS_HOT_COMMIT),
      let bytes = read(place, 0, Int(place.bytes)),
      let reserve = word(place, identity.hotOffset, BUS_HOT_RESERVE)
    else { return nil }
    return LogCopy(identity: identity, bytes: bytes, commit: commit, reserve: reserve)
  }

  private func word(_ place: Place, _ hot: UInt32, _ offset: Int32) -> UInt64? {
    read(place, Int(hot) + Int(offset), 8).map { LogCopy.number($0, 0, 8) }
  }

  private func read(_ place: Place, _ offset: Int, _ count: Int) -> [UInt8]? {
    guard offset + count <= Int(place.bytes) else { return nil }
    var bytes = [UInt8](repeating: 0, count: count)
    var done = 0
    while done < count {
      let from = off_t(truncatingIfNeeded: place.address + UInt64(offset + done))
      let more = unsafe bytes.withUnsafeMutableBytes { room in
        unsafe pread(memory, room.baseAddress.map { unsafe $0 + done }, count - done, from)
      }
      guard more > 0 else { return nil }
      done += more
    }
    return bytes
  }
}
