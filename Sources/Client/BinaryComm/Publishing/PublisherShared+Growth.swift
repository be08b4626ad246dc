import BusLog
import BusMemory
import BusSystem
import BusWire
import Synchronization

// Larger logs: asked for by the publishing thread, made and registered by the service thread.

extension PublisherShared {
  /// Asks the service thread for a larger log.
  func ask(for shape: LogShape) {
    let isNew = state.withLock { state in
      guard state.asked == nil, !state.hasReady else { return false }
      state.asked = shape
      return true
    }
    if isNew { agent.wakeup.signal() }
  }

  /// Makes the log that was asked for and offers it to the router (service thread).
  func prepareIfAsked() {
    let work: (StreamID, LogShape, UInt32)? = state.withLock { state in
      guard let shape = state.asked, !state.inFlight, let stream = state.stream else { return nil }
      state.inFlight = true
      return (stream, shape, (state.logs.last?.generation ?? 0) + 1)
    }
    guard let (stream, shape, generation) = work else { return }
    guard let identity = agent.logIdentity(channel, generation: generation, shape: shape) else {
      return
    }
    do throws(MemoryError) {
      let log = try NewLog(identity)
      offer(log, stream)
    } catch {
      refuse(.noMemory("no memory for a larger log", error))
    }
  }

  private func offer(_ prepared: consuming NewLog, _ stream: StreamID) {
    var log = prepared
    let shape = log.identity.shape
    let generation = log.identity.generation
    let descriptor = FileDescriptor(log.releaseDescriptor())
    let frame = AddLogFrame(
      stream: stream, channel: channel, generation: generation, capacity: shape.capacity,
      segmentBytes: shape.segmentBytes)
    let entry = Log(
      generation: generation, capacity: shape.capacity, segmentBytes: shape.segmentBytes,
      basePosition: .max, descriptor: descriptor)
    giveBack(log)
    let sent = agent.post(.addLog(frame), descriptor: descriptor) { [self] outcome in
      switch outcome {
      case .frame(.logAdded, _):
        state.withLock { state in
          state.logs.append(entry)
          state.asked = nil
          state.inFlight = false
        }
      case .frame(.error(let error), _): refuse(BusError(number: error.code, text: error.text))
      // The router went in between: ask the next one again.
      default:
        state.withLock { state in
          state.ready = nil
          state.inFlight = false
        }
      }
    }
    if !sent {
      state.withLock { state in
        state.ready = nil
        state.inFlight = false
      }
    }
  }

  /// No larger log is to be had; the publisher goes on with the one it has.
  private func refuse(_ why: BusError) {
    state.withLock { state in
      if let asked = state.asked { state.refused = LogRefusal(why: why, capacity: asked.capacity) }
      state.asked = nil
      state.inFlight = false
      state.ready = nil
    }
  }
}
