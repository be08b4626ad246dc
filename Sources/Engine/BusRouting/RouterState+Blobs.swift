import BusAccess
import BusPorts
import BusWire

/// Which blob it is: nobody can put other bytes in its place under the same token.
struct BlobKey: Hashable {
  let maker: Incarnation
  let token: BusUUID
}

/// A payload of its own memory file, which whoever has its token may open.
struct Blob {
  let token: DescriptorToken
  let segmentBytes: UInt64
  let payloadBytes: UInt64
  /// The maker's user.
  let uid: UInt32
  /// Whether its maker still holds it.
  var isHeld = true
  /// Whether its maker has ended: then it is charged to nobody.
  var isLeft = false
  /// When it goes, once its maker holds it no more; monotonic ns.
  let endNs: UInt64
}

extension RouterState {
  /// Whom the blobs of agents that have ended are charged to.
  private static var nobody: Incarnation { Incarnation(0) }

  /// Takes a blob of an agent.
  mutating func addBlob(
    _ frame: AddBlobFrame, _ segment: Segment, of agent: Incarnation, _ asker: Requester
  ) {
    guard let owner = agents[agent] else {
      act(.close(segment.token))
      return
    }
    if isKnown(frame, of: owner) {
      act(.close(segment.token))
      answer(asker, .done)
      return
    }
    if let refusal = objection(to: frame, by: owner) {
      turnDown(segment, asker, refusal)
      return
    }
    guard case .blob(let shape) = segment.finding else {
      turnDown(segment, asker, segment.refusal(wanted: "sealed blob"))
      return
    }
    guard shape.token == frame.token, shape.segmentBytes == frame.segmentBytes,
      shape.payloadBytes == frame.payloadBytes
    else {
      turnDown(segment, asker, Refusal(.invalid, Self.strayBlobText))
      return
    }
    let key = BlobKey(maker: agent, token: frame.token)
    budget.charge(shape.segmentBytes, to: agent)
    agents[agent]?.blobs.insert(frame.token)
    count(\.blobs, 1, of: owner.caller.uid)
    blobs[key] = Blob(
      token: segment.token, segmentBytes: shape.segmentBytes, payloadBytes: shape.payloadBytes,
      uid: owner.caller.uid, endNs: nowNs &+ UInt64(frame.keepMs) &* 1_000_000)
    answer(asker, .done)
  }

  /// Whether the blob is here: handed in after a restart, and again because an answer was lost.
  func isKnown(_ frame: AddBlobFrame, of owner: Agent) -> Bool {
    let known = blobs[BlobKey(maker: owner.incarnation, token: frame.token)]
    return known?.payloadBytes == frame.payloadBytes
  }

  /// What stands against a blob, by what its maker says of it; nil: nothing.
  func objection(to frame: AddBlobFrame, by owner: Agent) -> Refusal? {
    guard !owner.blobs.contains(frame.token) else { return Refusal(.invalid, Self.strayBlobText) }
    guard frame.keepMs <= limits.blobKeepMsMax else {
      let most = limits.blobKeepMsMax / 1000
      return Refusal(.invalid, "A blob is kept for at most \(most) s: ask for less.")
    }
    guard owner.blobs.count < limits.blobsPerAgent else {
      return Refusal(
        .resourceExhausted,
        "An agent may have \(limits.blobsPerAgent) blobs: drop those that were read.")
    }
    if let text = objection(
      toOneMore: \.blobs, "blobs", of: owner.caller.uid, all: limits.blobs)
    {
      return Refusal(.resourceExhausted, text)
    }
    let text = budget.objection(
      toLog: frame.segmentBytes, for: owner.incarnation, quota: owner.quota)
    return text.map { Refusal(.resourceExhausted, $0) }
  }

  private static var strayBlobText: String {
    "The blob is not the one that is named, or another one is here."
  }

  /// Hands a blob to who knows its token.
  mutating func openBlob(_ frame: OpenBlobFrame, _ asker: Requester) {
    guard let blob = blobs[BlobKey(maker: frame.maker, token: frame.token)] else {
      // A maker that is still to come back brings its blobs with it.
      if awaitsAgents {
        refuse(asker, .noRouter, "The router has just started: blobs are still being handed in.")
      } else {
        refuse(
          asker, because: .blobGone,
          "There is no such blob: it was dropped, or its maker left and its time is over.")
      }
      return
    }
    let found = BlobFrame(
      token: frame.token, segmentBytes: blob.segmentBytes, payloadBytes: blob.payloadBytes)
    answer(asker, .blob(found), with: blob.token)
  }

  /// The maker of a blob holds it no more; another agent cannot even name it.
  mutating func dropBlob(_ frame: DropBlobFrame, of agent: Incarnation) {
    let key = BlobKey(maker: agent, token: frame.token)
    guard let blob = blobs[key] else { return }
    blobs[key]?.isHeld = false
    if frame.now || blob.endNs <= nowNs { remove(key, blob) }
  }

  /// The blobs of an agent that ends stay for as long as they are to be kept, charged to nobody.
  ///
  /// All of those together are bounded, in number and to a quarter of the arena: the user who has
  /// most of what there is too much of makes room, with what would go first.
  mutating func leaveBlobs(of agent: Agent) {
    guard !agent.blobs.isEmpty else { return }
    walk(agent.blobs.count * Self.entriesOfBlob)
    var over: [BlobKey: Blob] = [:]
    for token in agent.blobs {
      let key = BlobKey(maker: agent.incarnation, token: token)
      guard var blob = blobs[key] else { continue }
      blob.isHeld = false
      guard blob.endNs > nowNs else {
        over[key] = blob
        continue
      }
      count(\.blobs, -1, of: blob.uid)
      budget.credit(blob.segmentBytes, to: agent.incarnation)
      budget.charge(blob.segmentBytes, to: Self.nobody)
      blob.isLeft = true
      blobs[key] = blob
      leftBlobs.insert(key, blob)
    }
    for (key, blob) in inOrder(over) { remove(key, blob) }
    makeRoomForLeft()
  }

  /// Drops blobs of agents that have ended until those left are within their bounds.
  private mutating func makeRoomForLeft() {
    var dropped = 0
    while let measure = leftTooMuch, let key = leftBlobs.next(by: measure), let blob = blobs[key] {
      remove(key, blob)
      dropped += 1
    }
    guard dropped > 0 else { return }
    say(
      .warning,
      "\(dropped) blobs whose makers left were dropped early: too much is kept so",
      kind: "blobs whose makers left were dropped early")
  }

  private var leftTooMuch: LeftBlobs.Measure? {
    if leftBlobs.count > limits.blobsLeftMax { return .number }
    return budget.use(by: Self.nobody).bytes > budget.limit / 4 ? .bytes : nil
  }

  /// What it takes to leave a blob behind, in entries of tables.
  private static var entriesOfBlob: Int { 32 }

  /// Blobs by the time at which they go.
  private func inOrder(_ blobs: [BlobKey: Blob]) -> [(key: BlobKey, value: Blob)] {
    blobs.sorted { LeftBlobs.Turn($0.key, $0.value) < LeftBlobs.Turn($1.key, $1.value) }
  }

  /// Drops the blobs that nobody holds and whose time is over.
  mutating func expireBlobs() {
    let over = blobs.filter { !$0.value.isHeld && $0.value.endNs <= nowNs }
    for (key, blob) in inOrder(over) { remove(key, blob) }
  }

  private mutating func remove(_ key: BlobKey, _ blob: Blob) {
    blobs[key] = nil
    if blob.isLeft {
      leftBlobs.remove(key, blob)
    } else {
      count(\.blobs, -1, of: blob.uid)
    }
    agents[key.maker]?.blobs.remove(key.token)
    budget.credit(blob.segmentBytes, to: blob.isLeft ? Self.nobody : key.maker)
    act(.close(blob.token))
  }
}
