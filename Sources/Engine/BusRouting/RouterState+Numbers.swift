import BusWire

// Numbers of readings. The router makes each but once, but of those of a former router it knows
// only what agents say: several may name the same one, each with a publisher that says so, too. A
// number is therefore what one reader and one publisher call their reading, and where another pair
// has taken it first the router has a number of its own for it, which nobody hears of.

/// A number under which an agent knows a reading, where the router's own is another.
struct KnownNumber: Hashable {
  let agent: Incarnation
  let number: AttachmentID
  /// Whether the agent is the one that reads; otherwise the one that publishes.
  let isReader: Bool
}

extension RouterState {
  /// The reading that its reader knows under this number.
  func attachment(_ number: AttachmentID, readBy reader: Incarnation) -> Attachment? {
    if let one = attachments[number], one.number == number, one.reader == reader { return one }
    let known = KnownNumber(agent: reader, number: number, isReader: true)
    return renumbered[known].flatMap { attachments[$0] }
  }

  /// The reading that its publisher knows under this number.
  func attachment(_ number: AttachmentID, publishedBy publisher: Incarnation) -> Attachment? {
    if let one = attachments[number], one.number == number, one.publisher == publisher {
      return one
    }
    let known = KnownNumber(agent: publisher, number: number, isReader: false)
    return renumbered[known].flatMap { attachments[$0] }
  }

  /// The router's own number for a reading of a former router.
  mutating func ownNumber(for number: AttachmentID) -> AttachmentID {
    attachments[number] == nil ? number : AttachmentID(nextNumber())
  }

  /// Notes under which numbers the two know a reading, or that they do no more.
  mutating func renumber(_ attachment: Attachment, isThere: Bool) {
    guard attachment.id != attachment.number else { return }
    for (agent, isReader) in [(attachment.reader, true), (attachment.publisher, false)] {
      let known = KnownNumber(agent: agent, number: attachment.number, isReader: isReader)
      if isThere {
        renumbered[known] = attachment.id
      } else if renumbered[known] == attachment.id {
        renumbered[known] = nil
      }
    }
  }
}
