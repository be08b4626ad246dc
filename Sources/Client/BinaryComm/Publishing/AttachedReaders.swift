package import BusWire

/// The readers that a publisher has let in, each with the incarnation it belongs to.
///
/// A pure value: who leaves the publisher's window is told to it, by whoever finds it out.
package struct AttachedReaders: Sendable {
  private var incarnations: [AttachmentID: Incarnation] = [:]
  private var byIncarnation: [Incarnation: Set<AttachmentID>] = [:]
  /// The readers that a snapshot of the router has named so far, nil outside of one.
  private var named: Set<AttachmentID>?

  package init() {}

  package var count: Int { incarnations.count }

  /// A reader is on its way in: a snapshot that is under way does not end it.
  package mutating func announce(_ attachment: AttachmentID) {
    _ = named?.insert(attachment)
  }

  /// A reader is let in.
  package mutating func insert(_ attachment: AttachmentID, of incarnation: Incarnation) {
    remove(attachment)
    incarnations[attachment] = incarnation
    byIncarnation[incarnation, default: []].insert(attachment)
  }

  /// A reader has left; true when that is news.
  @discardableResult
  package mutating func remove(_ attachment: AttachmentID) -> Bool {
    guard let incarnation = incarnations.removeValue(forKey: attachment) else { return false }
    byIncarnation[incarnation]?.remove(attachment)
    if byIncarnation[incarnation]?.isEmpty ?? false { byIncarnation[incarnation] = nil }
    return true
  }

  /// The readers of one agent.
  package func readers(of incarnation: Incarnation) -> [AttachmentID] {
    byIncarnation[incarnation].map(Array.init) ?? []
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
