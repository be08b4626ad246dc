/// The attachments that were evicted last.
///
/// Attachments are numbers of one counter and none is used twice, so the oldest may be forgotten:
/// long before, the router has been told of them.
struct EvictedReaders: Sendable {
  static let most = 1024
  private var names: Set<UInt64> = []
  private var order: [UInt64] = []
  private var next = 0

  var count: Int { names.count }

  func contains(_ attachment: UInt64) -> Bool { names.contains(attachment) }

  mutating func note(_ attachment: UInt64) {
    guard names.insert(attachment).inserted else { return }
    if order.count < Self.most {
      order.append(attachment)
    } else {
      names.remove(order[next])
      order[next] = attachment
      next = (next + 1) % Self.most
    }
  }
}
