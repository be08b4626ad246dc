import BinaryComm
import BusWire

/// Counts messages, of which a body in parts is one, and those bodies that did not come whole.
///
/// Bodies whose end has not come are followed up to a number: a publisher that begins ever new ones
/// costs neither memory nor time per message. One beyond that counts as cut.
struct BodyCount {
  /// Most bodies of one publisher that are followed at a time, and most of all.
  private static let perPublisherMax = 256
  private static let inAllMax = 4096

  /// A body whose last part has not come yet.
  private struct Open {
    let sequence: UInt64
    let isCut: Bool
    /// What had been missed when its newest part came: more by now, and a part may be among it.
    let misses: UInt64
  }
  /// What one publisher has begun.
  private struct Source {
    /// By topic.
    var open: [String: Open] = [:]
    var gaps: UInt64 = 0
  }

  /// Whether the parts are written one after another without saying whose they are.
  let isRaw: Bool
  /// Whether all but the newest message may be passed over, so that no body comes whole.
  let isLatest: Bool
  /// Whole messages, and bodies in parts whose last part came.
  private(set) var messages = 0
  private var cuts = 0
  /// By name; those alone that have begun something.
  private var sources: [String: Source] = [:]
  private var openCount = 0
  /// Parts of bodies that are not followed, and whose end has not come.
  private var beyond = 0
  /// What cuts every body: messages that are missing where it is not known whose, and, where parts
  /// do not say whose they are, each message that comes between two of them.
  private var misses: UInt64 = 0

  init(isRaw: Bool, isLatest: Bool = false) {
    self.isRaw = isRaw
    self.isLatest = isLatest
  }

  /// Bodies of which parts are missing, those included whose end has not come.
  var cut: Int { cuts + openCount + beyond }

  /// Takes the next message that was shown.
  mutating func take(_ message: borrowing ReceivedMessage) {
    let flags = message.header.flags
    let isPart = flags.contains(.more) || flags.contains(.lastPart)
    if openCount == 0, !isPart {
      messages += 1
      return
    }
    let name = message.publisher
    // Taken out while it is changed, so that nothing is copied.
    var source = sources.removeValue(forKey: name) ?? Source()
    defer { if !source.open.isEmpty { sources[name] = source } }
    if message.gapBefore > 0 { source.gaps += 1 }
    let begun = source.open.removeValue(forKey: message.topic)
    if begun != nil { openCount -= 1 }
    let isHit = begun.map { $0.isCut || $0.misses != misses + source.gaps } ?? false
    if isRaw { misses += 1 }
    // Else another body begins, of a publisher that has started afresh or has left one unfinished.
    let isContinued = begun.map { isPart && message.sequence > $0.sequence } ?? false
    if begun != nil, !isContinued { cuts += 1 }
    guard isPart else {
      messages += 1
      return
    }
    let isMixed = isRaw && openCount > 0
    let isCut = (isContinued ? isHit : isLatest) || message.gapBefore > 0 || isMixed
    guard flags.contains(.more) else {
      messages += 1
      // It is the end of one of those, if there are any.
      if !isContinued, beyond > 0 { beyond -= 1 }
      cuts += isCut || !isContinued ? 1 : 0
      return
    }
    guard source.open.count < Self.perPublisherMax, openCount < Self.inAllMax else {
      beyond += 1
      return
    }
    source.open[message.topic] = Open(
      sequence: message.sequence, isCut: isCut, misses: misses + source.gaps)
    openCount += 1
  }

  /// Messages are missing, and it is not known whose.
  mutating func lose() { misses += 1 }
}
