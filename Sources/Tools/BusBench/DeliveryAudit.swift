/// What a reader got of each publisher's numbered messages: every number once and in order, or not.
///
/// The expected message is the fast path: one compare and one addition, no array.
public struct DeliveryAudit: Sendable {
  /// The word of the message that comes next if nothing goes wrong: from the same publisher as the
  /// last one, and not its last.
  private var expected = MessageIdentity(publisher: 0, sequence: 0, isLast: false)
  /// The next number of each publisher; that of `expected` is older than the truth.
  private var stored: [UInt64]
  private var late: [LateMessages]
  private var hasEnded: [Bool]
  /// Messages whose bytes were not what their publisher wrote; they count as nothing else.
  public private(set) var corrupt: UInt64 = 0
  /// Publishers whose last message has not arrived yet.
  public private(set) var open: Int

  /// An audit of publishers numbered from 0, each of whose messages are numbered from 0.
  public init(publishers: Int) {
    stored = Array(repeating: 0, count: publishers)
    late = Array(repeating: LateMessages(), count: publishers)
    hasEnded = Array(repeating: false, count: publishers)
    open = publishers
  }

  /// Takes note of one message.
  ///
  /// - Parameters:
  ///   - identity: who sent it, its number and whether it is the last one.
  ///   - intact: false when its bytes are not what that publisher would have written.
  @inline(__always)
  public mutating func take(_ identity: MessageIdentity, intact: Bool) {
    if identity == expected && intact {
      expected = MessageIdentity(word: identity.word &+ 1)
    } else {
      takeOther(identity, intact: intact)
    }
  }

  /// Takes note of a message that is too short or too long for one of ours.
  public mutating func noteUnreadable() { corrupt += 1 }

  /// Messages received, checked and counted once.
  public var received: UInt64 {
    stored.indices.reduce(0) { $0 + next($1) - late[$1].missing }
  }

  /// Messages that never came, as far as the numbers of later ones tell.
  public var lost: UInt64 { late.reduce(0) { $0 + $1.missing } }

  /// Messages that came more than once.
  public var duplicate: UInt64 { late.reduce(0) { $0 + $1.duplicate } }

  /// Messages that came after a later one of the same publisher.
  public var outOfOrder: UInt64 { late.reduce(0) { $0 + $1.outOfOrder } }

  /// True when so many messages of every publisher have come or been passed over.
  @inline(__always)
  public func hasReached(_ count: UInt64) -> Bool {
    expected.sequence >= count && stored.indices.allSatisfy { next($0) >= count }
  }

  private func next(_ publisher: Int) -> UInt64 {
    publisher == expected.publisher ? expected.sequence : stored[publisher]
  }

  /// A message of another publisher, the last one, or one that should not have come.
  @inline(never)
  private mutating func takeOther(_ identity: MessageIdentity, intact: Bool) {
    let publisher = identity.publisher
    guard intact, publisher < stored.count else {
      corrupt += 1
      return
    }
    let sequence = identity.sequence
    let next = next(publisher)
    if sequence >= next {
      late[publisher].pass(over: next..<sequence)
    } else {
      late[publisher].take(sequence)
    }
    stored[expected.publisher] = expected.sequence
    expected = MessageIdentity(
      publisher: publisher, sequence: max(next, sequence + 1), isLast: false)
    if identity.isLast && !hasEnded[publisher] {
      hasEnded[publisher] = true
      open -= 1
    }
  }
}

/// The numbers that were passed over, and what came after all.
private struct LateMessages: Sendable {
  private var gaps: [Range<UInt64>] = []
  private(set) var missing: UInt64 = 0
  private(set) var duplicate: UInt64 = 0
  private(set) var outOfOrder: UInt64 = 0

  mutating func pass(over gap: Range<UInt64>) {
    guard !gap.isEmpty else { return }
    gaps.append(gap)
    missing += UInt64(gap.count)
  }

  mutating func take(_ sequence: UInt64) {
    guard let index = gaps.firstIndex(where: { $0.contains(sequence) }) else {
      duplicate += 1
      return
    }
    let gap = gaps.remove(at: index)
    for part in [gap.lowerBound..<sequence, (sequence + 1)..<gap.upperBound] where !part.isEmpty {
      gaps.append(part)
    }
    missing -= 1
    outOfOrder += 1
  }
}

/// The first word of every payload: publisher, number, and whether more follow.
public struct MessageIdentity: Equatable, Sendable {
  /// The word as it travels: bit 63 last, bits 48 to 62 publisher, the rest the number.
  public let word: UInt64

  /// The identity that a word states.
  public init(word: UInt64) { self.word = word }

  /// The identity of a message.
  ///
  /// - Parameters:
  ///   - publisher: 0 to 32,767.
  ///   - sequence: its number, from 0, below 2^48.
  ///   - isLast: true when this publisher sends no more.
  public init(publisher: Int, sequence: UInt64, isLast: Bool) {
    word = (isLast ? 1 << 63 : 0) | UInt64(publisher) << 48 | sequence
  }

  /// Who sent it, from 0.
  public var publisher: Int { Int((word >> 48) & 0x7FFF) }
  /// Its number, from 0.
  public var sequence: UInt64 { word & 0xFFFF_FFFF_FFFF }
  /// True when this publisher sends no more.
  public var isLast: Bool { word >> 63 == 1 }
}
