package import BusWire

/// Which stream each reader is in, so that its leaving is one publisher's business.
///
/// An agent that answers many has publishers for each of them, and whoever comes and goes would
/// have it ask all of these. A pure value that may forget: about whom it does not know, all are
/// asked.
package struct ReaderStreams: Sendable {
  private var streams: [AttachmentID: StreamID] = [:]
  /// Fewest readers among which those that went without a word are looked for.
  private var sweepAt = 256

  package init() {}

  package var count: Int { streams.count }

  /// A reader comes to a stream; true when ``keep(_:)`` is due.
  package mutating func note(_ attachment: AttachmentID, in stream: StreamID) -> Bool {
    streams[attachment] = stream
    return streams.count >= sweepAt
  }

  /// Keeps those that are in some window: the others were evicted or refused, or their agents or
  /// streams have ended.
  package mutating func keep(_ present: Set<AttachmentID>) {
    streams = streams.filter { present.contains($0.key) }
    sweepAt = max(256, 2 * streams.count)
  }

  /// A reader leaves; the stream it was in, nil when it is not known.
  package mutating func remove(_ attachment: AttachmentID) -> StreamID? {
    streams.removeValue(forKey: attachment)
  }
}
