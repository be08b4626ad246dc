/// Names an open descriptor that the engine may keep, send on, or have closed; never used twice.
public struct DescriptorToken: Hashable, Sendable {
  /// The number that the owner of the descriptor gave it.
  public let value: UInt64
  /// Wraps the number.
  public init(_ value: UInt64) { self.value = value }
}

/// How far the publisher of a log has come.
public struct LogProgress: Hashable, Sendable {
  /// The stream position below which every byte is a whole record, as the log says it.
  public let commit: UInt64
  /// Messages committed in the stream, as the log says it.
  public let sequence: UInt64
  /// Pairs the position with the count.
  public init(commit: UInt64, sequence: UInt64) {
    self.commit = commit
    self.sequence = sequence
  }
}

/// What a line of a reader segment says; every word is the reader's and may be any value.
public struct SlotProgress: Hashable, Sendable {
  /// The attachment that the line serves, as it says.
  public let attachment: UInt64
  /// The stream position below which the reader needs no byte.
  public let cursor: UInt64
  /// Messages taken.
  public let received: UInt64
  /// Messages lost to overwriting.
  public let gaps: UInt64
  /// Takes the words as they are.
  public init(attachment: UInt64, cursor: UInt64, received: UInt64, gaps: UInt64) {
    self.attachment = attachment
    self.cursor = cursor
    self.received = received
    self.gaps = gaps
  }
}

/// Looks into segments that somebody else writes.
public protocol LogProbe {
  /// What the log says now; the words are the publisher's and may be any value.
  ///
  /// - Parameters:
  ///   - log: the log's descriptor.
  ///   - hotOffset: where the log's hot block lies, from its checked identity.
  /// - Returns: nil when the log cannot be read.
  func progress(of log: DescriptorToken, hotOffset: Int) -> LogProgress?

  /// What a cursor slot says now; the words are the reader's and may be any value.
  ///
  /// - Parameters:
  ///   - slot: which line.
  ///   - segment: the descriptor of the reader segment.
  /// - Returns: nil when the segment cannot be read or has no such line.
  func slot(_ slot: UInt16, of segment: DescriptorToken) -> SlotProgress?
}
