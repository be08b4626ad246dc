public import BusLog
public import BusMemory
public import BusWire
import CBusPlatform
import Synchronization

/// How a publisher's logs are sized.
public struct PublisherOptions: Sendable, Equatable {
  /// Bytes of the first log, a power of two; nil = what the router says (64 KiB by default).
  public var firstLogBytes: Int?
  /// Bytes up to which logs grow; nil = 4 MiB when readers keep the window full, and for a payload
  /// that needs it what the router says (64 MiB by default, which holds 16 MiB payloads).
  public var logBytesMax: Int?
  /// False: the first log is the only one.
  public var growth: Bool

  /// Options; the defaults suit everything but benchmarks.
  public init(firstLogBytes: Int? = nil, logBytesMax: Int? = nil, growth: Bool = true) {
    self.firstLogBytes = firstLogBytes
    self.logBytesMax = logBytesMax
    self.growth = growth
  }
}

/// A topic resolved once, for publishing many times without looking at its name.
@frozen
public struct TopicHandle: Sendable {
  @usableFromInline let head: LogWriter.Head
  /// Set when the topic did not fit the log's table and travels with each message.
  @usableFromInline let items: [UInt8]?
  /// The publisher that resolved it; of a topic with `items` ``Publisher/noNumber``, so that one
  /// compare tells the ordinary case from both others.
  @usableFromInline let plainPublisher: UInt64
  let publisher: UInt64

  init(_ head: LogWriter.Head, items: [UInt8]?, publisher: UInt64) {
    self.head = head
    self.items = items
    self.publisher = publisher
    plainPublisher = items == nil ? publisher : Publisher.noNumber
  }
}

/// The one writer of one channel's stream, checked by the compiler: it cannot be copied.
///
/// ```swift
/// var ticks = try agent.publisher(on: "ticks")
/// let euro = try ticks.topic("ticks.eurusd")
/// try ticks.publish(euro, count: 8) { out in out.append(price.bitPattern, as: UInt64.self) }
/// ```
///
/// A message published is safe: it lies in a log that the router has registered, and reaches every
/// lossless subscriber even when this process dies right after, as long as that router lives: its
/// news for a subscriber that is stopped end with it. Never call a blocking `publish` inside a
/// handler that others wait for: two agents that wait for each other evict each other.
public struct Publisher: ~Copyable, Sendable {
  @usableFromInline var writer: LogWriter
  @usableFromInline var clock: HostClock
  /// Which publisher of this process it is: its topics work with no other.
  @usableFromInline let number: UInt64
  let core: PublisherShared
  var handles: [String: TopicHandle] = [:]
  var fullWindows = 0
  let growth: LogGrowth
  @usableFromInline var batchStamp: UInt64 = 0
  var isClosed = false

  init(
    _ core: PublisherShared, _ log: consuming NewLog, clock: HostClock, _ growth: LogGrowth
  ) {
    // The kernel's barrier is what makes a sleeper's mark visible; without it every publish pays.
    let fences = plat_barrier_everywhere() < 0
    // The same for readers that join: what is left without it is no barrier on every CPU.
    let fencesClaims = plat_barrier_own_threads() != 0
    writer = LogWriter(
      first: log, gate: core.gate, fences: fences, fencesClaims: fencesClaims, row: core.row)
    number = Self.numbers.wrappingAdd(1, ordering: .relaxed).newValue
    self.core = core
    self.clock = clock
    self.growth = growth
  }

  /// Publishers of this process so far; a number is never used twice.
  private static let numbers = Atomic<UInt64>(Publisher.noNumber)
  /// No publisher has it.
  static let noNumber: UInt64 = 0

  /// The channel that this publisher's topics belong to.
  public var channel: String { core.channel }

  /// Largest payload in bytes that the channel's largest log can hold.
  public var payloadBytesMax: Int {
    let largest = max(growth.payloadMax, writer.shape.capacity)
    return min(Int(LogShape.recordBytesMax(capacity: largest)) - 64, WireLimit.payloadBytesMax)
  }

  /// Messages published so far.
  public var published: UInt64 { writer.appended }

  /// Readers that this process had no room to let in: they miss what is published.
  package var unmetReaders: UnmetReaders { core.unmet }

  deinit {
    if !isClosed { core.close() }
  }

  /// Resolves a topic of this channel.
  ///
  /// Throws `invalid` for a malformed or foreign topic.
  public mutating func topic(_ name: String) throws(BusError) -> TopicHandle {
    if let known = handles[name] { return known }
    let topic: Topic
    do throws(TopicError) {
      topic = try Topic(name)
    } catch {
      throw .invalid("\(error)")
    }
    let channel = core.agent.state.withLock { $0.limits.channels.channel(of: topic) }
    guard channel.text == core.channel else {
      throw .invalid("\(name) belongs to the channel \(channel.text), not \(core.channel)")
    }
    let type: MessageType = core.channel == ChannelMap.broadcast.text ? .broadcast : .event
    let id = writer.topic(name)
    let place = id.map(UInt64.init) ?? LogTopicTable.inExtension
    var items: [UInt8]?
    if id == nil {
      var item = MessageExtension()
      item.topic = name
      items = try? item.encoded()
    }
    let handle = TopicHandle(
      LogWriter.Head(type: type, destination: BusUUID(topicId: place)), items: items,
      publisher: number)
    // Topics beyond the log's table are not kept either: they could be without end.
    if id != nil { handles[name] = handle }
    return handle
  }

  /// The same topic with other flags or another priority.
  public func handle(
    _ topic: TopicHandle, flags: MessageFlags = [], priority: Priority? = nil,
    correlationId: UInt32 = 0
  ) -> TopicHandle {
    let type: MessageType = core.channel == ChannelMap.broadcast.text ? .broadcast : .event
    let head = LogWriter.Head(
      type: type, destination: topic.head.destination, priority: priority, flags: flags,
      correlationId: correlationId)
    return TopicHandle(head, items: topic.items, publisher: topic.publisher)
  }

  /// Ends the stream in order: readers drain it and leave.
  ///
  /// Nothing published is lost.
  public mutating func close() {
    guard !isClosed else { return }
    isClosed = true
    writer.close()
    core.close()
  }
}
