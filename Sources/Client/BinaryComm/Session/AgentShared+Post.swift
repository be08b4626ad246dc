import BusLog
import BusMemory
import BusSystem
import BusWire
import Glibc
import Synchronization

extension AgentShared {
  /// Sends a frame from the service thread and hands its answer to `then`, there; false without a
  /// router.
  func post(
    _ frame: AgentFrame, descriptor: FileDescriptor? = nil,
    then:
      @escaping @Sendable (PendingReply.Outcome)
      -> Void
  ) -> Bool {
    let reply = PendingReply(then: then)
    return state.withLock { state in
      guard state.link == .up else { return false }
      let number = state.nextRequest
      state.nextRequest = number == .max ? 1 : number + 1
      state.pending[number] = reply
      enqueue(frame.encode(request: number), descriptor, &state)
      return true
    }
  }

  /// The identity of a log of ours, nil before registration.
  func logIdentity(_ channel: String, generation: UInt32, shape: LogShape) -> LogIdentity? {
    state.withLock { state in
      guard let identity = state.identity else { return nil }
      state.nextStagger &+= 1
      return LogIdentity(
        agent: id, incarnation: identity.incarnation.value, channel: channel,
        generation: generation, shape: shape, stagger: state.nextStagger)
    }
  }
}

extension UInt64 {
  /// The sum; where it is too large the largest number, which stands for never.
  func addingSaturated(_ other: UInt64) -> UInt64 {
    let (sum, over) = addingReportingOverflow(other)
    return over ? .max : sum
  }
}
