import BusCounters
import BusLog
import BusMemory
import BusWire

/// The topics of one stream that its messages name, read once each from the log's table, and which
/// of them are wanted.
///
/// A class so that a lent message can name its topic without copying the table; touched per
/// message only when the pattern does not cover the whole channel.
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
  /// By id; nil: no message has named it yet.
  private var names: [String?] = []
  /// In an inbox, by id of the first topics: which of this agent's services it is; nil: nobody has
  /// looked it up.
  private var services: [UInt8?] = []
  private var table: LogTopicTable
  private let isInbox: Bool
  /// The topic in the extension of the message that was looked at last.
  private var newest: (sequence: UInt64, topic: ExtensionTopic)?

  init(_ source: StreamSource, pattern: TopicPattern, table: LogTopicTable) {
    self.source = source
    let inbox = InboxChannel(source.channel)
    lane = inbox?.lane ?? .normal
    isInbox = inbox != nil
    self.pattern = pattern
    self.table = table
    channel = try? Topic(source.channel)
  }

  /// Counts a message that is being handed over as refused.
  func refuse(_ reason: DropReason, bytes: UInt64) {
    var sum = refused ?? RefusedMessages()
    sum.note(reason, bytes: bytes)
    refused = sum
  }

  /// What was refused since the last call; nil: nothing.
  func drainRefused() -> RefusedMessages? {
    guard refused != nil else { return nil }
    return refused.take()
  }

  /// The stream goes on in another log, whose table begins with the same topics.
  func move(to table: LogTopicTable) { self.table = table }

  /// Whether the topic with an id matches; nil when the table does not hold it.
  ///
  /// One that breaks the rules, or lies outside the log's channel, never does.
  func wants(_ id: UInt64) -> Bool? { text(of: id).map(isWanted) }

  /// The same of a message that does not name its topic by an id.
  func wantsNamed(_ record: borrowing Record) -> Bool {
    switch extensionTopic(record.items, of: record.sequence) {
    // Addressed to an agent, not to a topic: the channel itself decides.
    case .none: return record.header.word5 != 0
    case .refused: return false
    case .named(let topic): return pattern.matches(topic)
    }
  }

  // MARK: Services

  /// Which of this agent's services a topic of the inbox was found to be.
  func knownService(_ id: UInt64) -> Int? {
    guard id < UInt64(services.count) else { return nil }
    return services[Int(id)].map(Int.init)
  }

  /// Notes which service a topic is; of topics and services beyond the first it is not kept.
  func noteService(_ service: Int, of id: UInt64) {
    guard id < Self.servicesMax, let number = UInt8(exactly: service) else { return }
    let more = Int(id) + 1 - services.count
    if more > 0 { services.append(contentsOf: repeatElement(nil, count: more)) }
    services[Int(id)] = number
  }

  /// Has every service looked up again when its next message comes.
  func forgetServices() { services = [] }

  private static var servicesMax: UInt64 { 1024 }

  // MARK: Names

  /// The topic of a message; empty when its publisher gave none that it may use.
  func name(_ header: HeaderWords, _ items: RawSpan, sequence: UInt64) -> String {
    if header.word5 == 0, header.word6 != LogTopicTable.inExtension {
      return text(of: header.word6) ?? ""
    }
    guard case .named(let topic) = extensionTopic(items, of: sequence) else { return "" }
    return topic.text
  }

  /// What the extension of a message says about its topic.
  private enum ExtensionTopic {
    /// Nothing.
    case none
    /// A text that is no topic, or one outside the log's channel.
    case refused
    case named(Topic)
  }

  /// Reads the topic of each message once: where messages are lent in place, the publisher could
  /// change it between the look that decides and the one that names.
  private func extensionTopic(_ items: RawSpan, of sequence: UInt64) -> ExtensionTopic {
    if let known = newest, known.sequence == sequence { return known.topic }
    let topic = parse(items)
    newest = (sequence, topic)
    return topic
  }

  private func parse(_ items: RawSpan) -> ExtensionTopic {
    guard !items.isEmpty else { return .none }
    // A copy: the publisher could change the bytes between the check of the text and its use.
    let copy = items.copied
    guard let parsed = try? MessageExtension(decoding: copy) else { return .refused }
    guard let text = parsed.topic else { return .none }
    guard let topic = try? Topic(text), mayName(topic) else { return .refused }
    return .named(topic)
  }

  /// Whether a message of this log may have this topic; in an inbox it is the name that is called,
  /// and whether the sender may call it is looked up there.
  private func mayName(_ topic: Topic) -> Bool {
    guard let channel else { return isInbox }
    return isInbox || topic.isWithin(channel)
  }

  /// The topic with an id, which is read when a message names it first; nil when the table does not
  /// hold it.
  ///
  /// Read once: its publisher could change it between the look that decides and the one that names.
  private func text(of id: UInt64) -> String? {
    if id < UInt64(names.count), let known = names[Int(id)] { return known }
    guard let text = table.topic(id) else { return nil }
    // The table has no topic beyond its bound, which bounds the names as well.
    let more = Int(id) + 1 - names.count
    if more > 0 { names.append(contentsOf: repeatElement(nil, count: more)) }
    names[Int(id)] = text
    return text
  }

  /// Whether a topic matches and lies in the log's channel: a foreign one would be a permission
  /// that the reader was never given.
  private func isWanted(_ text: String) -> Bool {
    guard let topic = try? Topic(text), let channel else { return false }
    return topic.isWithin(channel) && pattern.matches(topic)
  }
}
