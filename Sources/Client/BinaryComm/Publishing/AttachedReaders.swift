package import BusWire

/// The readers that a publisher has let in, each with the incarnation it belongs to.
///
/// A pure value: who still has a place in the publisher's window is told to it, because a reader
/// that is evicted by the publishing thread leaves the window without a word to this table.
package struct AttachedReaders: Sendable {
  private var incarnations: [AttachmentID: Incarnation] = [:]
  /// The readers that a snapshot of the router has named so far, nil outside of one.
  private var named: Set<AttachmentID>?

  package init() {}

  /// Readers kept, those included that were evicted since the last one came.
  package var count: Int { incarnations.count }

  /// A reader is on its way in: a snapshot that is under way does not end it.
  package mutating func announce(_ attachment: AttachmentID) {
    _ = named?.insert(attachment)
  }

  /// A reader was let in; those that are in the window no more are forgotten.
  ///
  /// They come back under another name only, so the table never exceeds the window and one.
  package mutating func insert(
    _ attachment: AttachmentID, of incarnation: Incarnation, window: Set<AttachmentID>
  ) {
    incarnations = incarnations.filter { window.contains($0.key) }
    incarnations[attachment] = incarnation
  }

  /// A reader has left; true when that is news.
  @discardableResult
  package mutating func remove(_ attachment: AttachmentID) -> Bool {
    incarnations.removeValue(forKey: attachment) != nil
  }

  package func readers(of incarnation: Incarnation) -> [AttachmentID] {
    incarnations.filter { $0.value == incarnation }.map(\.key)
  }

  /// The readers that are in the window.
  package func present(in window: Set<AttachmentID>) -> [AttachmentID: Incarnation] {
    incarnations.filter { window.contains($0.key) }
  }

  // MARK: A snapshot of the router

  package mutating func beginSnapshot() { named = [] }

  /// Takes the readers that a snapshot names; false outside of one.
  package mutating func name(_ attachments: [AttachmentID]) -> Bool {
    named?.formUnion(attachments)
    return named != nil
  }

  /// Ends a snapshot: of the window, whom it did not name; nobody outside of one.
  package mutating func endSnapshot(window: Set<AttachmentID>) -> Set<AttachmentID> {
    named.take().map { window.subtracting($0) } ?? []
  }
}
