import BusLog
import BusMemory
import BusWire
import Glibc

/// A log segment under the test's own pen: what a hostile publisher can make of its memory.
final class ForgedLog: @unchecked Sendable {
  // @unchecked Sendable: threads race on the memory on purpose, by atomic words only.
  let segment: OwnedSegment
  let identity: LogIdentity
  static let sequence = 136
  static let commit = 128

  /// A sealed segment with a true identity, filled with small messages of the given senders.
  init(identity: LogIdentity, records: [BusUUID] = []) throws {
    self.identity = identity
    let shape = identity.shape
    segment = try OwnedSegment(name: "forged", bytes: Int(shape.segmentBytes))
    let log = try NewLog(identity)
    let copy = try PeerSegment(consuming: dup(log.descriptor), announced: shape.segmentBytes)
    unsafe segment.base.copyMemory(from: copy.lentBase, byteCount: 4096)
    try segment.seal()
    for (index, source) in records.enumerated() {
      let header = MessageHeader(
        type: .event, length: 0, source: source, destination: BusUUID(topicId: 0))
      for word in 0..<8 {
        store(header.words.word(word), at: Int(shape.ringOffset) + index * 64 + word * 8)
      }
    }
    store(UInt64(records.count) * 64, at: hot + Self.commit)
  }

  /// A read-only mapping, as a reader would get it.
  func peer(mapping: Int? = nil) throws -> PeerSegment {
    try PeerSegment(
      consuming: dup(segment.descriptor), announced: UInt64(segment.bytes), mapping: mapping)
  }

  var hot: Int { Int(identity.hotOffset) }

  /// Stores a word as one step, at an offset that is a multiple of 8.
  func store(_ value: UInt64, at offset: Int) {
    unsafe OwnedWord64(at: segment.base + offset).storeRelease(value)
  }

  func load(at offset: Int) -> UInt64 {
    unsafe OwnedWord64(at: segment.base + offset).loadRelaxed()
  }
}
