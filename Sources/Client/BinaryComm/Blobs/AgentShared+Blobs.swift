import BusMemory
import BusSystem
import BusWire
import Synchronization

/// A blob that this agent made, as the next router must be told of it.
struct HeldBlob: Sendable {
  let descriptor: FileDescriptor
  let segmentBytes: UInt64
  let payloadBytes: UInt64
  /// Until when it is kept without its maker; monotonic ns.
  let endNs: UInt64
  /// The program holds it no more, and its time is not over.
  var isReleased = false

  func frame(_ token: BusUUID, nowNs: UInt64) -> AddBlobFrame {
    let leftMs = endNs > nowNs ? (endNs - nowNs) / 1_000_000 : 0
    return AddBlobFrame(
      token: token, segmentBytes: segmentBytes, payloadBytes: payloadBytes,
      keepMs: UInt32(clamping: leftMs))
  }
}

// Blobs on the control socket.

extension AgentShared {
  /// Hands a blob in and keeps what the next router must be told.
  func hold(_ held: HeldBlob, _ token: BusUUID) throws(BusError) {
    let end = Deadline(after: .seconds(5))
    // Before it is asked for: a router that comes back in between is told by the handing in.
    state.withLock { $0.blobs[token] = held }
    do throws(BusError) {
      _ = try request(
        .addBlob(held.frame(token, nowNs: HostClock.monotonicNs())), descriptor: held.descriptor,
        deadline: end)
    } catch {
      state.withLock { _ = $0.blobs.removeValue(forKey: token) }
      // A router that is only slow takes it all the same, and would keep it for ever.
      tell(.dropBlob(DropBlobFrame(token: token, now: true)))
      throw error
    }
  }

  /// The program holds a blob no more.
  func release(_ token: BusUUID, now: Bool) {
    let (wasHeld, isNext) = state.withLock { state -> (Bool, Bool) in
      guard let held = state.blobs[token], now || !held.isReleased else { return (false, false) }
      state.blobs[token]?.isReleased = true
      if now { state.blobs[token] = nil }
      let isNext = !now && held.endNs < state.blobEndNs
      if isNext { state.blobEndNs = held.endNs }
      return (true, isNext)
    }
    guard wasHeld else { return }
    tell(.dropBlob(DropBlobFrame(token: token, now: now)))
    // The service thread may be asleep until something else happens.
    if isNext { wakeup.signal() }
    // Or be no more.
    if connection.end != nil { forgetOldBlobs() }
  }

  /// Closes the descriptors of blobs that nobody holds and whose time is over.
  ///
  /// The router counts their memory no more from then on.
  func forgetOldBlobs() {
    let nowNs = HostClock.monotonicNs()
    let old = state.withLock { state -> [BusUUID: HeldBlob] in
      guard state.blobEndNs <= nowNs else { return [:] }
      let released = state.blobs.filter { $0.value.isReleased }
      let old = released.filter { $0.value.endNs <= nowNs }
      for token in old.keys { state.blobs[token] = nil }
      state.blobEndNs = released.values.map(\.endNs).filter { $0 > nowNs }.min() ?? .max
      return old
    }
    withExtendedLifetime(old) {}
  }

  /// When the service thread has to look for such blobs again; monotonic ns.
  var blobEndNs: UInt64 { state.withLock { $0.blobEndNs } }

  /// Whether a blob can still be opened, as far as its maker knows.
  func holds(_ token: BusUUID) -> Bool { state.withLock { $0.blobs[token] != nil } }

  /// Asks for a blob; a router that has just started is asked again, until the deadline.
  func open(
    _ reference: BlobReference, deadline: Deadline
  ) throws(BusError) -> (frame: BlobFrame, descriptor: FileDescriptor) {
    while true {
      do throws(BusError) {
        let outcome = try request(
          .openBlob(OpenBlobFrame(token: reference.token, maker: reference.maker)),
          deadline: deadline)
        guard case .frame(.blob(let frame), let descriptor?) = outcome else {
          throw .incompatibleVersion("the router answered openBlob with another frame")
        }
        return (frame, descriptor)
      } catch {
        guard error.code == .noRouter, !deadline.isOver else { throw error }
        SystemThread.sleep(milliseconds: 20)
      }
    }
  }

  /// What a router that does not know us is told: every blob whose time is not over.
  func blobSteps() -> [RestoreStep<FileDescriptor>] {
    forgetOldBlobs()
    let nowNs = HostClock.monotonicNs()
    return state.withLock { $0.blobs }.flatMap { token, held in
      let added = AgentFrame.addBlob(held.frame(token, nowNs: nowNs))
      let dropped = AgentFrame.dropBlob(DropBlobFrame(token: token, now: false))
      let steps = [
        RestoreStep(.blob(token), added, held.descriptor),
        RestoreStep(.blob(token), dropped, hasAnswer: false),
      ]
      return Array(steps.prefix(held.isReleased ? 2 : 1))
    }
  }
}
