import BusPorts
import BusWire

/// A payload of its own memory file, which whoever has its token may open.
struct Blob {
  let token: DescriptorToken
  let segmentBytes: UInt64
  let payloadBytes: UInt64
  /// To whom its bytes are charged: its maker, or nobody once that one has ended.
  var owner: Incarnation
  /// Whether its maker still holds it.
  var isHeld = true
  /// When it goes, once its maker holds it no more; monotonic ns.
  let endNs: UInt64
}

extension RouterState {
  /// Whom the blobs of agents that have ended are charged to.
  private static var nobody: Incarnation { Incarnation(0) }

  /// Takes a blob of an agent.
  mutating func addBlob(
    _ frame: AddBlobFrame, _ segment: Segment, of agent: Incarnation, _ asker: Asker
  ) {
    guard let owner = agents[agent], case .blob(let shape) = segment.finding else {
      act(.close(segment.token))
      refuse(asker, segment.code, segment.complaint(wanted: "sealed blob"))
      return
    }
    if blobs[frame.token]?.owner == agent, blobs[frame.token]?.payloadBytes == shape.payloadBytes {
      // Handed in after a restart, and asked for again because the answer was lost.
      act(.close(segment.token))
      answer(asker, .done)
      return
    }
    if let (code, text) = objection(to: frame, shape, of: owner) {
      act(.close(segment.token))
      refuse(asker, code, text)
      return
    }
    budget.charge(shape.segmentBytes, to: agent)
    agents[agent]?.blobs.insert(frame.token)
    blobs[frame.token] = Blob(
      token: segment.token, segmentBytes: shape.segmentBytes, payloadBytes: shape.payloadBytes,
      owner: agent, endNs: nowNs &+ UInt64(frame.keepMs) &* 1_000_000)
    answer(asker, .done)
  }

  private func objection(
    to frame: AddBlobFrame, _ shape: BlobShape, of owner: Agent
  ) -> (BusErrorCode, String)? {
    guard shape.token == frame.token, shape.segmentBytes == frame.segmentBytes,
      shape.payloadBytes == frame.payloadBytes, blobs[frame.token] == nil
    else { return (.invalid, "The blob is not the one that is named, or is here already.") }
    guard frame.keepMs <= limits.blobKeepMsMost else {
      let most = limits.blobKeepMsMost / 1000
      return (.invalid, "A blob is kept for at most \(most) s: ask for less.")
    }
    guard owner.blobs.count < limits.blobsPerAgent else {
      return (
        .resourceExhausted,
        "An agent may have \(limits.blobsPerAgent) blobs: drop those that were read."
      )
    }
    let text = budget.objection(
      toLog: shape.segmentBytes, for: owner.incarnation, quota: owner.quota)
    return text.map { (.resourceExhausted, $0) }
  }

  /// Hands a blob to who knows its token.
  mutating func openBlob(_ token: BusUUID, _ asker: Asker) {
    guard let blob = blobs[token] else {
      // A maker that is still to come back brings its blobs with it.
      if inGrace {
        refuse(asker, .noRouter, "The router has just started: blobs are still being handed in.")
      } else {
        refuse(
          asker, .notFound,
          "There is no such blob: it was dropped, or its maker left and its time is over.")
      }
      return
    }
    let frame = BlobFrame(
      token: token, segmentBytes: blob.segmentBytes, payloadBytes: blob.payloadBytes)
    answer(asker, .blob(frame), with: blob.token)
  }

  /// The maker of a blob holds it no more; another agent's word does not count.
  mutating func dropBlob(_ frame: DropBlobFrame, of agent: Incarnation) {
    guard let blob = blobs[frame.token], blob.owner == agent else { return }
    blobs[frame.token]?.isHeld = false
    if frame.now || blob.endNs <= nowNs { remove(frame.token, blob) }
  }

  /// The blobs of an agent that ends stay for as long as they are to be kept, charged to nobody.
  ///
  /// All of those together may take a quarter of the arena: what would go first makes room.
  mutating func leaveBlobs(of agent: Agent) {
    for token in agent.blobs {
      guard let blob = blobs[token] else { continue }
      guard blob.endNs > nowNs else {
        remove(token, blob)
        continue
      }
      budget.credit(blob.segmentBytes, to: agent.incarnation)
      budget.charge(blob.segmentBytes, to: Self.nobody)
      blobs[token]?.owner = Self.nobody
      blobs[token]?.isHeld = false
    }
    while budget.used(by: Self.nobody) > budget.limit / 4 {
      let first = blobs.filter { $0.value.owner == Self.nobody }
        .min { ($0.value.endNs, $0.key.word0) < ($1.value.endNs, $1.key.word0) }
      guard let first else { return }
      remove(first.key, first.value)
      act(.log(.warning, "a blob whose maker left was dropped early: too much memory is kept so"))
    }
  }

  /// Drops the blobs that nobody holds and whose time is over.
  mutating func expireBlobs() {
    for (token, blob) in blobs where !blob.isHeld && blob.endNs <= nowNs { remove(token, blob) }
  }

  private mutating func remove(_ token: BusUUID, _ blob: Blob) {
    blobs[token] = nil
    agents[blob.owner]?.blobs.remove(token)
    budget.credit(blob.segmentBytes, to: blob.owner)
    act(.close(blob.token))
  }
}
