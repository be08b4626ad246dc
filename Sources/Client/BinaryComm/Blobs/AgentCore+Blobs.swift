import BusMemory
import BusWire
import Synchronization

// Blobs on the control socket.

extension AgentCore {
  /// Hands a blob in and keeps what the next router must be told.
  func hold(_ held: HeldBlob, _ token: BusUUID) throws(BusError) {
    let end = deadline(after: .seconds(5))
    // Before it is asked for: a router that comes back in between is told by the handing in.
    state.withLock { $0.blobs[token] = held }
    do throws(BusError) {
      _ = try request(
        .addBlob(held.frame(token, nowNs: HostClock.monotonicNs())), descriptor: held.descriptor,
        deadlineNs: end)
    } catch {
      state.withLock { _ = $0.blobs.removeValue(forKey: token) }
      throw error
    }
  }

  /// The maker holds a blob no more.
  func release(_ token: BusUUID, now: Bool) {
    let held = state.withLock { $0.blobs.removeValue(forKey: token) }
    guard held != nil else { return }
    post(.dropBlob(DropBlobFrame(token: token, now: now)))
  }

  /// Asks for a blob; a router that has just started is asked again, until the deadline.
  func open(
    _ token: BusUUID, deadlineNs: UInt64
  ) throws(BusError) -> (frame: BlobFrame, descriptor: Descriptor) {
    while true {
      do throws(BusError) {
        let outcome = try request(
          .openBlob(OpenBlobFrame(token: token)), deadlineNs: deadlineNs)
        guard case .frame(.blob(let frame), let descriptor?) = outcome else {
          throw .incompatibleVersion("the router answered openBlob with another frame")
        }
        return (frame, descriptor)
      } catch {
        guard case .noRouter = error, HostClock.monotonicNs() < deadlineNs else { throw error }
        pauseMs(20)
      }
    }
  }

  /// Tells a router that came back of every blob that is still held.
  func handInBlobs(_ talk: Dialogue) throws(BusError) {
    for (token, held) in state.withLock({ $0.blobs }) {
      do throws(BusError) {
        let frame = held.frame(token, nowNs: HostClock.monotonicNs())
        _ = try talk.ask(.addBlob(frame), held.descriptor)
      } catch {
        // A quota that shrank meanwhile: this one cannot be opened any more, all else goes on.
        guard error.code == .resourceExhausted || error.code == .invalid else { throw error }
      }
    }
  }
}
