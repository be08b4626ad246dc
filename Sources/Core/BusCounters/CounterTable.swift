import BusMemory
public import BusWire
import CBusABI
import Synchronization

/// The counters of one agent: who publishes or reads gets a row, viewers map the memory read-only.
///
/// A row belongs to one thread at a time, which stores into it without asking anybody. Beginning
/// and ending rows takes a mutex; a row that ends is added to the past of its channel, so that the
/// totals of an agent never go back, and its place is used again later.
///
/// Rows never move: when all are in use the table makes another, larger segment. Where the kernel
/// refuses the memory, or there are as many segments as an agent may have, rows lie in memory that
/// nobody sees; counting goes on.
public final class CounterTable: Sendable {
  private let agent: BusUUID
  private let incarnation = Atomic<UInt64>(0)
  private let whenGrown: @Sendable () -> Void
  private let state = Mutex(State())

  private struct State {
    var parts: [CounterPart] = []
    var ended: [CounterPlace] = []
    var past: [CounterIdentity: [Past]] = [:]
  }

  /// The past of a channel; with an owner while a thread counts in its histogram.
  private struct Past {
    let place: CounterPlace
    let histogram: Int?
    var owner: UInt64?
  }

  /// An empty table; `whenGrown` is called when there is a segment more to hand in.
  public init(agent: BusUUID, whenGrown: @escaping @Sendable () -> Void = {}) {
    self.agent = agent
    self.whenGrown = whenGrown
  }

  /// Says which life of the agent it is, before the first row.
  public func begin(incarnation number: UInt64) {
    incarnation.store(number, ordering: .relaxed)
  }

  /// A segment as it is handed in.
  public struct Part: Sendable {
    /// 0 for the first.
    public let number: Int
    /// Its size.
    public let bytes: Int
  }

  /// The segments that there are, oldest first.
  public var parts: [Part] {
    state.withLock { state in
      state.parts.filter(\.isSeen).map { Part(number: $0.number, bytes: $0.shape.bytes) }
    }
  }

  /// A second descriptor of a segment, owned by the caller; -1 when there is none.
  public func duplicateDescriptor(of part: Int) -> Int32 {
    state.withLock { state in
      state.parts.first { $0.number == part && $0.isSeen }?.duplicateDescriptor() ?? -1
    }
  }

  /// A row that counts from now on.
  ///
  /// `owner` is who counts in the channel's histogram: one number for each reading thread.
  /// `start` is where in the stream a reading begins.
  public func open(_ identity: CounterIdentity, owner: UInt64 = 0, start: UInt64 = 0) -> CounterRow
  {
    let row = reserve(identity, owner: owner, start: start)
    activate(row, stream: identity.stream)
    return row
  }

  /// A row that nobody sees yet; see ``activate(_:stream:)``.
  public func reserve(
    _ identity: CounterIdentity, owner: UInt64 = 0, start: UInt64 = 0
  ) -> CounterRow {
    growing { state in
      let past = pastRow(of: identity, owner, &state)
      let place = takePlace(&state)
      let part = state.parts[place.part]
      let at = unsafe part.row(place.row)
      let tenancy = unsafe at.load(fromByteOffset: 4, as: UInt32.self) &+ 1
      unsafe clear(at, bus_counter_row_t(identity, tenancy: tenancy, histogram: nil))
      unsafe OwnedWord64(at: at + Int(BUS_COUNT_START)).storeRelaxed(start)
      unsafe OwnedWord64(at: at + Int(BUS_COUNT_SEQUENCE)).storeRelaxed(start)
      let pastPart = state.parts[past.place.part]
      return unsafe CounterRow(
        base: at, place: place, tenancy: tenancy, past: pastPart.row(past.place.row),
        histogram: past.histogram.map { unsafe pastPart.histogram($0) })
    }
  }

  /// Counts a message that was refused before there was a row for it, in the past of its channel.
  public func noteDrop(_ identity: CounterIdentity, _ reason: DropReason) {
    growing { state in
      let place = pastRow(of: identity, 0, &state).place
      let offset = Int(BUS_COUNT_DROPS) + reason.rawValue * 8
      let word = unsafe OwnedWord64(at: state.parts[place.part].row(place.row) + offset)
      changing(state) { word.storeRelaxed(word.loadRelaxed() &+ 1) }
    }
  }

  /// Says when there is a segment more to hand in afterwards.
  private func growing<Made: Sendable>(_ body: (inout State) -> Made) -> Made {
    let (made, hasGrown) = state.withLock { state in
      let before = state.parts.count(where: \.isSeen)
      let made = body(&state)
      return (made, state.parts.count(where: \.isSeen) > before)
    }
    if hasGrown { whenGrown() }
    return made
  }

  /// Shows a reserved row, with the name that the router gave the stream.
  public func activate(_ row: CounterRow, stream: UInt64) {
    state.withLock { state in
      guard unsafe tenancy(of: row.base) == row.tenancy, unsafe rowState(row.base) == BUS_ROW_FREE
      else { return }
      changing(state) {
        unsafe row.base.storeBytes(of: stream, toByteOffset: 16, as: UInt64.self)
        unsafe setState(row.base, BUS_ROW_LIVE)
      }
    }
  }

  /// Ends a row, from the thread that counted in it: its counts are the channel's past from now on.
  ///
  /// A row that was never shown only gives its place back. A second call does nothing.
  public func end(_ row: CounterRow) {
    state.withLock { state in
      guard unsafe tenancy(of: row.base) == row.tenancy else { return }
      let now = unsafe rowState(row.base)
      guard now == BUS_ROW_LIVE || now == BUS_ROW_FREE, !state.ended.contains(row.place) else {
        return
      }
      changing(state) {
        if now == BUS_ROW_LIVE {
          unsafe add(row.base, to: row.past)
          unsafe setState(row.base, BUS_ROW_ENDED)
        }
      }
      state.ended.append(row.place)
    }
  }

  /// The owner counts no more: its channels' histograms may go on under another.
  public func release(owner: UInt64) {
    state.withLock { state in
      for identity in state.past.keys {
        for index in state.past[identity]?.indices ?? 0..<0
        where state.past[identity]?[index].owner == owner {
          state.past[identity]?[index].owner = nil
        }
      }
    }
  }

  /// What the past of channels beyond the first thousand is counted under.
  public static let otherChannels = "(other)"
  private static let pastsMax = 1024

  // MARK: Places

  /// A row of the first part that has one; else the one that ended longest ago; else a new part's.
  private func takePlace(_ state: inout State) -> CounterPlace {
    for (index, part) in state.parts.enumerated() {
      if let row = part.takeRow() { return CounterPlace(part: index, row: row) }
    }
    if !state.ended.isEmpty { return state.ended.removeFirst() }
    return CounterPlace(part: grow(&state), row: state.parts.last?.takeRow() ?? 0)
  }

  private func grow(_ state: inout State) -> Int {
    let number = state.parts.count
    let life = incarnation.load(ordering: .relaxed)
    let made =
      number < CounterShape.partsMax && life != 0
      ? try? CounterPart(number: number, agent: agent, incarnation: life) : nil
    state.parts.append(made ?? CounterPart(unseen: number))
    return number
  }

  private func pastRow(
    of identity: CounterIdentity, _ owner: UInt64, _ state: inout State
  ) -> Past {
    let counts = identity.direction == .received
    var key = identity.past
    // A reader of everything may meet channels without end.
    if state.past[key] == nil, state.past.count >= Self.pastsMax {
      key.channel = Self.otherChannels
    }
    let known = state.past[key] ?? []
    let mine = known.firstIndex { !counts || $0.owner == owner }
    if let index = mine ?? known.firstIndex(where: { $0.owner == nil }) {
      state.past[key]?[index].owner = owner
      return known[index]
    }
    let place = counts ? placeWithHistogram(&state) : takePlace(&state)
    let part = state.parts[place.part]
    let histogram = counts && part.hasHistogram ? part.takeHistogram() : nil
    let at = unsafe part.row(place.row)
    let tenancy = unsafe at.load(fromByteOffset: 4, as: UInt32.self) &+ 1
    unsafe clear(at, bus_counter_row_t(key, tenancy: tenancy, histogram: histogram))
    changing(state) { unsafe setState(at, BUS_ROW_PAST) }
    let made = Past(place: place, histogram: histogram, owner: owner)
    state.past[key, default: []].append(made)
    return made
  }

  /// A row in a part that has a histogram left.
  private func placeWithHistogram(_ state: inout State) -> CounterPlace {
    for (index, part) in state.parts.enumerated() where part.hasHistogram {
      if let row = part.takeRow() { return CounterPlace(part: index, row: row) }
      if let ended = state.ended.firstIndex(where: { $0.part == index }) {
        return state.ended.remove(at: ended)
      }
    }
    return CounterPlace(part: grow(&state), row: state.parts.last?.takeRow() ?? 0)
  }

  // MARK: Words

  /// Changes what viewers must see as one: they look again while the version is odd or moved.
  private func changing(_ state: borrowing State, _ body: () -> Void) {
    guard let version = state.parts.first?.version else { return body() }
    let before = version.loadRelaxed()
    version.storeRelaxed(before &+ 1)
    atomicMemoryFence(ordering: .releasing)
    body()
    version.storeRelease(before &+ 2)  // SYNC: counters.part
  }

  private func clear(_ at: UnsafeMutableRawPointer, _ identity: bus_counter_row_t) {
    unsafe setState(at, BUS_ROW_FREE)
    unsafe at.storeBytes(of: identity, as: bus_counter_row_t.self)
    for offset in stride(from: Int(BUS_COUNT_VERSION), to: Int(BUS_COUNTERS_ROW_BYTES), by: 8) {
      unsafe OwnedWord64(at: at + offset).storeRelaxed(0)
    }
  }

  private func add(_ row: UnsafeMutableRawPointer, to past: UnsafeMutableRawPointer) {
    let start = unsafe OwnedWord64(at: row + Int(BUS_COUNT_START)).loadRelaxed()
    for offset in stride(from: Int(BUS_COUNT_SEQUENCE), to: Int(BUS_COUNT_BLOCKED) + 8, by: 8)
    where offset != Int(BUS_COUNT_START) {
      let sum = unsafe OwnedWord64(at: past + offset)
      var more = unsafe OwnedWord64(at: row + offset).loadRelaxed()
      if offset == Int(BUS_COUNT_SEQUENCE) { more = more &- start }
      sum.storeRelaxed(sum.loadRelaxed() &+ more)
    }
  }

  private func rowState(_ at: UnsafeMutableRawPointer) -> Int32 {
    Int32(truncatingIfNeeded: unsafe OwnedWord32(at: at).loadRelaxed())
  }

  private func setState(_ at: UnsafeMutableRawPointer, _ value: Int32) {
    unsafe OwnedWord32(at: at).storeRelease(UInt32(value))
  }

  private func tenancy(of at: UnsafeMutableRawPointer) -> UInt32 {
    unsafe at.load(fromByteOffset: 4, as: UInt32.self)
  }
}
