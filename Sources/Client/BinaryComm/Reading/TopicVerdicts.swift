public import BasicContainers
public import BusLog

/// Which of a stream's topics are wanted, as far as that is known, for the polling loop to look at
/// without a call.
@usableFromInline
struct TopicVerdicts: ~Copyable {
  /// Of the first topics, by id; others are asked for each time.
  @usableFromInline var verdicts: UniqueArray<UInt8>

  @inlinable static var unknown: UInt8 { 0 }
  @inlinable static var wanted: UInt8 { 1 }
  private static var unwanted: UInt8 { 2 }

  /// Nothing is known yet; where all are wanted, nobody will ask.
  init(takesAll: Bool) {
    verdicts = UniqueArray(repeating: Self.unknown, count: takesAll ? 0 : 1024)
  }

  /// What is known of a message's topic.
  @inlinable @inline(__always)
  func of(_ record: borrowing Record) -> UInt8 {
    let id = record.header.word6
    let isShort = record.header.word5 == 0 && id < UInt64(truncatingIfNeeded: verdicts.count)
    return isShort ? verdicts[Int(truncatingIfNeeded: id)] : Self.unknown
  }

  /// Whether a message's topic is wanted of which that is not known.
  @usableFromInline @inline(never)
  mutating func judge(_ record: borrowing Record, _ topics: StreamTopics) -> Bool {
    let id = record.header.word6
    guard record.header.word5 == 0, id != LogTopicTable.inExtension else {
      return topics.wantsNamed(record)
    }
    guard let isWanted = topics.wants(id) else { return false }
    if id < UInt64(truncatingIfNeeded: verdicts.count) {
      verdicts[Int(id)] = isWanted ? Self.wanted : Self.unwanted
    }
    return isWanted
  }
}
