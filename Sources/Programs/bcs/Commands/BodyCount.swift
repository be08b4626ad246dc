import BinaryComm
import BusWire

/// Counts messages, of which a body in parts is one, and those bodies that did not come whole.
struct BodyCount {
  private struct Source: Hashable {
    let publisher: String
    let topic: String
  }
  /// A body whose last part has not come yet.
  private struct Open {
    var sequence: UInt64
    var isCut: Bool
  }

  /// Whether the parts are written one after another without saying whose they are.
  let isRaw: Bool
  /// Whether all but the newest message may be passed over, so that no body comes whole.
  let isLatest: Bool
  /// Whole messages, and bodies in parts whose last part came.
  private(set) var messages = 0
  private var cuts = 0
  private var open: [Source: Open] = [:]

  init(isRaw: Bool, isLatest: Bool = false) {
    self.isRaw = isRaw
    self.isLatest = isLatest
  }

  /// Bodies of which parts are missing, those included whose end has not come.
  var cut: Int { cuts + open.count }

  /// Takes the next message that was shown.
  mutating func take(_ message: borrowing ReceivedMessage) {
    let flags = message.header.flags
    let isPart = flags.contains(.more) || flags.contains(.lastPart)
    if open.isEmpty, !isPart {
      messages += 1
      return
    }
    let source = Source(publisher: message.publisher, topic: message.topic)
    for other in open.keys where other != source {
      let isHit = message.gapBefore > 0 && other.publisher == source.publisher
      if isHit || isRaw { open[other]?.isCut = true }
    }
    var body = open.removeValue(forKey: source)
    // Another body begins, of a publisher that has started afresh or has left one unfinished.
    if let begun = body, !isPart || message.sequence <= begun.sequence {
      cuts += 1
      body = nil
    }
    guard isPart else {
      messages += 1
      return
    }
    let isMixed = isRaw && !open.isEmpty
    let isCut = (body?.isCut ?? isLatest) || message.gapBefore > 0 || isMixed
    guard flags.contains(.more) else {
      messages += 1
      cuts += isCut || body == nil ? 1 : 0
      return
    }
    open[source] = Open(sequence: message.sequence, isCut: isCut)
  }

  /// Messages are missing, and it is not known whose.
  mutating func lose() {
    for source in open.keys { open[source]?.isCut = true }
  }
}
