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

/// Looks into a log that somebody else writes.
public protocol LogProbe {
  /// What the log says now; the words are the publisher's and may be any value.
  ///
  /// - Parameters:
  ///   - log: the log's descriptor.
  ///   - hotOffset: where the log's hot block lies, from its checked identity.
  /// - Returns: nil when the log cannot be read.
  func progress(of log: DescriptorToken, hotOffset: Int) -> LogProgress?
}
