import BusPorts
import CBusABI
import Glibc

/// Every descriptor that the engine knows by a token, and the frames that wait to carry it.
final class DescriptorTable: LogProbe {
  private struct Entry {
    let descriptor: Int32
    /// Frames that wait with it.
    var waiting = 0
    /// Whether the engine has not closed it.
    var isWanted = true
  }

  private var entries: [DescriptorToken: Entry] = [:]
  private var last: UInt64 = 0

  /// How many descriptors are open.
  var count: Int { entries.count }

  /// Takes ownership of a descriptor.
  func add(_ descriptor: Int32) -> DescriptorToken {
    last += 1
    let token = DescriptorToken(last)
    entries[token] = Entry(descriptor: descriptor)
    return token
  }

  /// A token that stands for a descriptor that was not kept.
  func addNothing() -> DescriptorToken { add(-1) }

  func descriptor(of token: DescriptorToken) -> Int32? { entries[token]?.descriptor }

  /// Keeps the descriptor open while a frame waits with it.
  func retain(_ token: DescriptorToken) { entries[token]?.waiting += 1 }

  func release(_ token: DescriptorToken) {
    entries[token]?.waiting -= 1
    closeIfUnused(token)
  }

  /// The engine needs it no more.
  func close(_ token: DescriptorToken) {
    entries[token]?.isWanted = false
    closeIfUnused(token)
  }

  private func closeIfUnused(_ token: DescriptorToken) {
    guard let entry = entries[token], !entry.isWanted, entry.waiting == 0 else { return }
    entries[token] = nil
    if entry.descriptor >= 0 { Glibc.close(entry.descriptor) }
  }

  func progress(of log: DescriptorToken, hotOffset: Int) -> LogProgress? {
    guard let entry = entries[log] else { return nil }
    // Commit and sequence lie side by side; a dead publisher's are at rest, and the clamp of the
    // engine takes whatever a living one left there.
    var words: (commit: UInt64, sequence: UInt64) = (0, 0)
    let place = off_t(hotOffset + Int(BUS_HOT_COMMIT))
    let read = unsafe withUnsafeMutableBytes(of: &words) { room in
      unsafe pread(entry.descriptor, room.baseAddress, room.count, place)
    }
    guard read == 16 else { return nil }
    return LogProgress(
      commit: UInt64(littleEndian: words.commit), sequence: UInt64(littleEndian: words.sequence))
  }

  func slot(_ slot: UInt16, of segment: DescriptorToken) -> SlotProgress? {
    guard let entry = entries[segment], Int(slot) < Int(BUS_READER_SLOTS) else { return nil }
    var bytes = [UInt8](repeating: 0, count: Int(BUS_READER_LINE))
    let place = off_t(Int(BUS_READER_SLOTS_OFFSET) + Int(slot) * Int(BUS_READER_LINE))
    guard unsafe pread(entry.descriptor, &bytes, bytes.count, place) == bytes.count else {
      return nil
    }
    func word(_ offset: Int32) -> UInt64 {
      (0..<8).reduce(0) { $0 | UInt64(bytes[Int(offset) + $1]) << UInt64(8 * $1) }
    }
    return SlotProgress(
      attachment: word(BUS_SLOT_TICKET), cursor: word(BUS_SLOT_CURSOR),
      received: word(BUS_SLOT_RECEIVED), gaps: word(BUS_SLOT_GAPS))
  }
}
