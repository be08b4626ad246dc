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
  let publisherName: String
  private let pattern: TopicPattern
  private let channel: Topic?
  /// True when every topic of the channel matches.
  @usableFromInline let wantsAll: Bool
  private var names: [String] = []
  private var wanted: [Bool] = []
  private var offset = 0
  private var table: LogTopicTable

  init(_ source: StreamSource, pattern: TopicPattern, table: LogTopicTable) {
    publisherName = source.publisherName
    self.pattern = pattern
    self.table = table
    channel = try? Topic(source.channel)
    let whole = try? TopicPattern("\(source.channel).>")
    let alone = try? TopicPattern(source.channel)
    wantsAll =
      (whole.map { pattern.covers($0) } ?? false)
      && (alone.map { pattern.covers($0) } ?? false)
  }

  /// The stream goes on in another log, whose table begins with the same topics.
  func move(to table: LogTopicTable) { self.table = table }

  /// Whether the message's topic matches; a topic that breaks the rules never does.
  @usableFromInline
  func wants(_ record: borrowing Record) -> Bool {
    let id = record.header.word6
    if record.header.word5 == 0, id != LogTopicTable.inExtension {
      guard know(id) else { return false }
      return wanted[Int(id)]
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
    guard items.byteCount > 0, let parsed = try? MessageExtension(decoding: items) else {
      return nil
    }
    return parsed.topic
  }

  /// Reads the table on until the id is known; false when the table does not hold it.
  private func know(_ id: UInt64) -> Bool {
    while id >= UInt64(names.count) {
      guard let (text, next) = table.entry(at: offset) else { return false }
      offset = next
      let topic = try? Topic(text)
      names.append(text)
      // A topic outside the log's channel would be a permission the reader was never given.
      let inside = topic.flatMap { topic in channel.map { topic.isWithin($0) } } ?? false
      wanted.append(inside && (topic.map { pattern.matches($0) } ?? false))
    }
    return true
  }
}
