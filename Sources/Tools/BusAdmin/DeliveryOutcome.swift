/// What became of one message for one reader.
public struct DeliveryOutcome: Equatable, Sendable {
  /// `delivered`, `pending`, `not for it`, or what it may be where more is not known: `lost or
  /// delivered`, `delivered or not wanted`, and of a reader that takes the newest messages alone
  /// `delivered or replaced`, `lost, delivered or replaced`, `pending or replaced`.
  public let word: String
  /// A sentence.
  public let why: String

  /// The fate of a message by the router's row about its reader.
  ///
  /// Where a reader began is its publisher's word, and how far it is its own: sums of what they say
  /// may be larger than any number. `takesAll`: its pattern matches whatever the stream holds.
  public init(of number: UInt64, _ reader: [String: String], takesAll: Bool = true) {
    func count(_ key: String) -> UInt64? { reader[key].flatMap(UInt64.init) }
    guard let start = count("start"), let received = count("received"), let gaps = count("gaps")
    else {
      let isEvicted = reader["state"] == "evicted"
      word = isEvicted ? "lost or delivered" : "pending"
      why =
        isEvicted
        ? "the reader was evicted: what it had read before is not known"
        : "its publisher has not let the reader in yet"
      return
    }
    let next = [received, gaps].reduce(start) { sum, more in
      let (next, isTooLarge) = sum.addingReportingOverflow(more)
      return isTooLarge ? .max : next
    }
    let isLatest = reader["mode"] == "latest"
    // What newer messages have replaced is neither received nor lost: only the cursor says where
    // such a reader is.
    let isBeyond = number < next || (isLatest && count("behind_bytes") == 0)
    if number < start {
      word = "not for it"
      why = "it was published before the reader joined, at number \(start)"
    } else if isLatest {
      let fate = isBeyond ? "delivered or replaced" : "pending or replaced"
      word = isBeyond && gaps > 0 ? "lost, \(fate)" : fate
      why =
        (isBeyond ? "the reader is beyond it" : "the reader has not reached the end of the log")
        + ", and takes only the newest message of each topic"
    } else if !isBeyond {
      word = "pending"
      why = "\(number - next) messages lie before it; a busy reader says where it is now and then"
    } else if gaps > 0 {
      word = "lost or delivered"
      why = "the reader is beyond it and lost \(gaps) messages since number \(start)"
    } else if takesAll {
      word = "delivered"
      why = "the reader has taken every message up to \(next - 1)"
    } else {
      word = "delivered or not wanted"
      why = "the reader has read it, or passed over it because its pattern does not match"
    }
  }
}
