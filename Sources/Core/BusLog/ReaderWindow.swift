package import BusMemory
import Synchronization

/// The readers of one publisher: those that hold it back in a list to walk, the others by name.
///
/// To come, to leave and to be found cost the same however many others there are.
struct ReaderWindow: Sendable {
  /// Whoever walks it may change what it knows of a reader, but not who is there.
  var lossless: [FlowControl.Reader] = []
  private var places: [UInt64: Int] = [:]
  private var lossy: [UInt64: FlowControl.Reader] = [:]
  var sleepers = SleeperList()
  /// Readers that make no barrier before they sleep.
  private(set) var fencing = 0

  var attachments: [UInt64] { lossless.map(\.attachment) + lossy.keys }

  /// The lowest position that one of them still needs.
  var lowestCursor: UInt64? {
    func cursor(_ reader: FlowControl.Reader) -> UInt64 {
      reader.link?.cursor.loadAcquire() ?? reader.cursor
    }
    return [lossless.lazy.map(cursor).min(), lossy.values.lazy.map(cursor).min()]
      .compactMap(\.self).min()
  }

  func knows(_ attachment: UInt64) -> Bool {
    places[attachment] != nil || lossy[attachment] != nil
  }

  /// Adds a reader that is not known yet.
  mutating func insert(_ reader: FlowControl.Reader) {
    if reader.lossless {
      places[reader.attachment] = lossless.count
      lossless.append(reader)
    } else {
      lossy[reader.attachment] = reader
    }
    hold(reader.link)
  }

  /// Says where a known reader's words are; returns the reader, nil when it is not known.
  mutating func link(
    _ link: FlowControl.Link, to attachment: UInt64
  ) -> FlowControl.Reader? {
    let former: FlowControl.Reader
    if let at = places[attachment] {
      former = lossless[at]
      lossless[at].link = link
    } else if let known = lossy[attachment] {
      former = known
      lossy[attachment]?.link = link
    } else {
      return nil
    }
    hold(link)
    letGo(former.link)
    return former
  }

  /// Takes a reader out; nil when it is not known.
  mutating func remove(_ attachment: UInt64) -> FlowControl.Reader? {
    guard let gone = take(attachment) else { return nil }
    letGo(gone.link)
    return gone
  }

  private mutating func take(_ attachment: UInt64) -> FlowControl.Reader? {
    guard let at = places.removeValue(forKey: attachment) else {
      return lossy.removeValue(forKey: attachment)
    }
    let gone = lossless[at]
    let last = lossless.removeLast()
    if at < lossless.count {
      lossless[at] = last
      places[last.attachment] = at
    }
    return gone
  }

  private mutating func hold(_ link: FlowControl.Link?) {
    guard let link else { return }
    if link.wantsFences { fencing += 1 }
    if let epoch = link.epoch { sleepers.hold(epoch, in: link.segment) }
  }

  private mutating func letGo(_ link: FlowControl.Link?) {
    guard let link else { return }
    if link.wantsFences { fencing -= 1 }
    if let epoch = link.epoch { sleepers.letGo(epoch) }
  }
}

/// The epochs that are looked at after a commit, each once: one reader thread may follow a stream
/// through several subscriptions.
package struct SleeperList: Sendable {
  /// What the publishing thread does to its own list, to have this one.
  package struct Changes: Sendable {
    /// The entries that are new or in another place, by place; every place up to `count` that was
    /// not there before is among them.
    var list: [(place: Int, epoch: WatchedWord32, segment: PeerSegment)]
    /// How many entries there are.
    var count: Int
  }

  private struct Entry: Sendable {
    let epoch: WatchedWord32
    /// Keeps the word mapped, so that no other one can have its address.
    let segment: PeerSegment
    var readers: Int
  }

  private var entries: [Entry] = []
  private var places: [UInt: Int] = [:]
  /// Places that are not as the publishing thread knows them: no more than there ever were.
  private var changed: Set<Int> = []

  var count: Int { entries.count }

  package init() {}

  package mutating func hold(_ epoch: WatchedWord32, in segment: PeerSegment) {
    let name = unsafe UInt(bitPattern: epoch.address)
    if let place = places[name] {
      entries[place].readers += 1
      return
    }
    places[name] = entries.count
    changed.insert(entries.count)
    entries.append(Entry(epoch: epoch, segment: segment, readers: 1))
  }

  package mutating func letGo(_ epoch: WatchedWord32) {
    let name = unsafe UInt(bitPattern: epoch.address)
    guard let place = places[name] else { return }
    entries[place].readers -= 1
    guard entries[place].readers == 0 else { return }
    places[name] = nil
    let last = entries.removeLast()
    guard place < entries.count else { return }
    entries[place] = last
    places[unsafe UInt(bitPattern: last.epoch.address)] = place
    changed.insert(place)
  }

  /// What has changed since the last time.
  package mutating func takeChanges() -> Changes {
    var taken = Changes(list: [], count: entries.count)
    for place in changed.sorted() where place < entries.count {
      taken.list.append((place, entries[place].epoch, entries[place].segment))
    }
    changed.removeAll(keepingCapacity: changed.count < 64)
    return taken
  }
}
