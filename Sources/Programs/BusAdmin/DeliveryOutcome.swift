/// What became of one message for one reader.
public struct DeliveryOutcome: Equatable, Sendable {
  /// `delivered`, `pending`, `lost or delivered`, `not for it`, `never`.
  public let word: String
  /// A sentence.
  public let why: String

  /// The fate of a message by the router's row about its reader.
  ///
  /// Where a reader began is its publisher's word, and how far it is its own: sums of what they say
  /// may be larger than any number.
  public init(of number: UInt64, _ reader: [String: String]) {
    func count(_ key: String) -> UInt64? { reader[key].flatMap(UInt64.init) }
    guard let start = count("start"), let received = count("received"), let gaps = count("gaps")
    else {
      word = reader["state"] == "evicted" ? "never" : "pending"
      why =
        reader["state"] == "evicted"
        ? "the reader was evicted" : "its publisher has not let the reader in yet"
      return
    }
    let next = [received, gaps].reduce(start) { sum, more in
      let (next, isTooLarge) = sum.addingReportingOverflow(more)
      return isTooLarge ? .max : next
    }
    if number < start {
      word = "not for it"
      why = "it was published before the reader joined, at number \(start)"
    } else if number >= next {
      word = "pending"
      why = "\(number - next) messages lie before it; a busy reader says where it is now and then"
    } else if gaps == 0 {
      word = "delivered"
      why = "the reader has taken every message up to \(next - 1)"
    } else {
      word = "lost or delivered"
      why = "the reader is beyond it and lost \(gaps) messages since number \(start)"
    }
  }
}
