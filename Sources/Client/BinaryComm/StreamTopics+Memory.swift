import BusCounters
public import BusLog
import BusMemory
import BusWire

/// The topics of one stream, read once each from the log's table, and which of them are wanted.
///
/// A class so that a lent message can name its topic without copying the table; touched per
/// message only when the pattern does not cover the whole channel.
@safe
@usableFromInline
final class StreamTopics: @unchecked Sendable {
  // @unchecked Sendable: belongs to the reading thread alone.
  let source: StreamSource
  var publisherName: String { source.publisherName }
  /// What the reading thread calls the publisher of an inbox log; negative until it has a name.
  var peer = -1
  /// What the reading thread refused since the row was shown last.
  private var refused: RefusedMessages?
  /// Of an inbox log.
  let lane: Lane
  private let pattern: TopicPattern
  private let channel: Topic?
  private var names: [String] = []
  /// What is known of the first topics, one byte each, for the polling loop to look at without a
  /// call: 0 = ask ``wants(_:)``, 1 = wanted, 2 = not.
  @usableFromInline let verdicts: UnsafeMutablePointer<UInt8>
  /// How many topics have a verdict; ids beyond are asked for each time.
  @usableFromInline static let verdictsMax: UInt64 = 1024
  private var offset = 0
  private var table: LogTopicTable

  init(_ source: StreamSource, pattern: TopicPattern, table: LogTopicTable) {
    self.source = source
    lane = InboxChannel(source.channel)?.lane ?? .normal
    self.pattern = pattern
    self.table = table
    channel = try? Topic(source.channel)
    unsafe verdicts = UnsafeMutablePointer<UInt8>.allocate(capacity: Int(Self.verdictsMax))
    unsafe verdicts.initialize(repeating: 0, count: Int(Self.verdictsMax))
  }

  deinit { unsafe verdicts.deallocate() }

  /// Counts a message that is being handed over as refused.
  func refuse(_ reason: DropReason, bytes: UInt64) {
    var sum = refused ?? RefusedMessages()
    sum.note(reason, bytes: bytes)
    refused = sum
  }

  /// What was refused since the last call; nil: nothing.
  func takeRefused() -> RefusedMessages? {
    guard refused != nil else { return nil }
    return refused.take()
  }

  /// The stream goes on in another log, whose table begins with the same topics.
  func move(to table: LogTopicTable) { self.table = table }

  /// Whether the message's topic matches; a topic that breaks the rules never does.
  @usableFromInline
  func wants(_ record: borrowing Record) -> Bool {
    let id = record.header.word6
    if record.header.word5 == 0, id != LogTopicTable.inExtension {
      guard know(id) else { return false }
      if id < Self.verdictsMax { return unsafe verdicts[Int(id)] == 1 }
      return isWanted(names[Int(id)])
    }
    guard let text = extensionTopic(record.items), let topic = try? Topic(text) else {
      // Addressed to an agent, not to a topic: the channel itself decides.
      return record.header.word5 != 0
    }
    return pattern.matches(topic)
  }

  /// The topic of a message; empty when its publisher gave none that can be read.
  func name(_ header: HeaderWords, _ items: RawSpan) -> String {
    if header.word5 == 0, header.word6 != LogTopicTable.inExtension {
      return know(header.word6) ? names[Int(header.word6)] : ""
    }
    return extensionTopic(items) ?? ""
  }

  private func extensionTopic(_ items: RawSpan) -> String? {
    // A copy: the publisher could change the bytes between the check of the text and its use.
    let copy = unsafe items.withUnsafeBytes { unsafe Array($0) }
    guard !copy.isEmpty, let parsed = try? MessageExtension(decoding: copy) else { return nil }
    return parsed.topic
  }

  /// Reads the table on until the id is known; false when the table does not hold it.
  private func know(_ id: UInt64) -> Bool {
    while id >= UInt64(names.count) {
      guard let (text, next) = table.entry(at: offset) else { return false }
      offset = next
      if names.count < Self.verdictsMax {
        unsafe verdicts[names.count] = isWanted(text) ? 1 : 2
      }
      names.append(text)
    }
    return true
  }

  /// Whether a topic matches and lies in the log's channel: a foreign one would be a permission
  /// that the reader was never given.
  private func isWanted(_ text: String) -> Bool {
    guard let topic = try? Topic(text), let channel else { return false }
    return topic.isWithin(channel) && pattern.matches(topic)
  }
}
