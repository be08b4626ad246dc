import BusPorts
import BusRouting
import BusSystem
import CBusPlatform
import DequeModule
import Glibc

/// The frames that wait for one connection, which may never read.
///
/// Answers are never dropped: the loop takes no further request from an agent while answers wait,
/// so that only one request's answers can pile up. Of the news at most `newsMax` wait; then all
/// of them go, and a snapshot makes up for them once the queue is empty.
struct OutQueue {
  static let newsMax = 256
  /// Room for the rows of some 90,000 attachments.
  static let answerBytesMax = 32 << 20
  /// A queue that was no longer keeps its memory when it is empty.
  private static let keptFrames = 64

  /// How the last attempt to send ended.
  enum Progress {
    /// Nothing waits.
    case empty
    /// The socket takes no more for now.
    case full
    /// The kernel is short of something; try again at the next tick.
    case starved
    /// A descriptor waits until the other end has read what lies in the socket.
    case unread
    /// A descriptor waits until other agents of the same user have read; try at the next tick.
    case crowded
    /// The other end is gone.
    case broken
  }

  /// When a descriptor may be sent.
  enum HandOver {
    case now
    case whenRead
    case whenOthersRead
  }

  private struct Waiting {
    let delivery: Delivery
    let bytes: [UInt8]
    let token: DescriptorToken?

    var isAnswer: Bool {
      if case .answer = delivery { true } else { false }
    }
  }

  private var frames: Deque<Waiting> = []
  /// The most that waited since the queue was empty.
  private var longest = 0
  private var news = 0
  private(set) var answers = 0
  private(set) var answerBytes = 0
  /// Of all frames that wait.
  private(set) var bytes = 0
  /// Whether news were dropped, so that a snapshot has to follow.
  private(set) var owesSnapshot = false

  var isEmpty: Bool { frames.isEmpty }

  /// Adds a frame; returns the tokens of frames that were dropped for it, its own included.
  mutating func add(
    _ bytes: [UInt8], _ delivery: Delivery, _ token: DescriptorToken?
  ) -> [DescriptorToken] {
    let frame = Waiting(delivery: delivery, bytes: bytes, token: token)
    switch delivery {
    case .answer:
      answers += 1
      answerBytes += bytes.count
    case .news:
      if owesSnapshot { return token.map { [$0] } ?? [] }
      news += 1
    case .snapshot:
      if owesSnapshot { return token.map { [$0] } ?? [] }
    }
    frames.append(frame)
    longest = max(longest, frames.count)
    self.bytes += bytes.count
    guard news > Self.newsMax else { return [] }
    return dropNews()
  }

  /// The snapshot follows now.
  mutating func snapshotFollows() { owesSnapshot = false }

  private mutating func dropNews() -> [DescriptorToken] {
    owesSnapshot = true
    let dropped = frames.filter { !$0.isAnswer }
    bytes -= dropped.reduce(0) { $0 + $1.bytes.count }
    frames.removeAll { !$0.isAnswer }
    news = 0
    return dropped.compactMap(\.token)
  }

  /// Sends what the socket takes; tells of each token that waits no more.
  mutating func send(
    to socket: Int32, _ table: DescriptorTable, handOver: () -> HandOver,
    sent: (DescriptorToken) -> Void
  ) -> Progress {
    while let frame = frames.first {
      if frame.token != nil {
        switch handOver() {
        case .now: break
        case .whenRead: return .unread
        case .whenOthersRead: return .crowded
        }
      }
      switch Self.send(frame, to: socket, table) {
      case .sent: break
      case .full: return .full
      case .starved: return .starved
      case .ended, .refused: return .broken
      }
      frames.removeFirst()
      forget(frame)
      if let token = frame.token { sent(token) }
    }
    // A snapshot of thousands gives its room back; a frame now and then does not ask for it anew.
    frames.removeAll(keepingCapacity: longest <= Self.keptFrames)
    longest = 0
    return .empty
  }

  private mutating func forget(_ frame: Waiting) {
    bytes -= frame.bytes.count
    switch frame.delivery {
    case .answer:
      answers -= 1
      answerBytes -= frame.bytes.count
    case .news: news -= 1
    case .snapshot: break
    }
  }

  private static func send(
    _ frame: Waiting, to socket: Int32, _ table: DescriptorTable
  ) -> RecordSocket.Sent {
    guard let token = frame.token else { return RecordSocket.send(frame.bytes, nil, to: socket) }
    guard let descriptor = table.descriptor(of: token) else { return .sent }
    return RecordSocket.send(frame.bytes, descriptor, to: socket)
  }

  /// The tokens of everything that waits, for a connection that ends.
  var tokens: [DescriptorToken] { frames.compactMap(\.token) }
}
