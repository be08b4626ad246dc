import BusLog
import BusMemory
import BusSystem
import BusWire
import Synchronization

// Larger logs: asked for by the publishing thread, made and registered by the service thread.

extension PublisherShared {
  /// Asks the service thread for a larger log.
  func ask(for shape: LogShape) {
    let isNew = state.withLock { $0.growth.ask(for: shape) }
    if isNew { agent.wakeup.signal() }
  }

  /// Makes the log that was asked for and offers it to the router (service thread).
  func prepareIfAsked() {
    let work: (StreamID, LogShape, UInt32)? = state.withLock { state in
      guard let stream = state.stream, let shape = state.growth.begin() else { return nil }
      return (stream, shape, (state.logs.last?.generation ?? 0) + 1)
    }
    guard let (stream, shape, generation) = work else { return }
    guard let identity = agent.logIdentity(channel, generation: generation, shape: shape) else {
      state.withLock { $0.growth.routerLost() }
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
    var made: NewLog? = consume log
    state.withLock { state in
      if let made = made.take() { state.growth.offer(made) }
    }
    let sent = agent.call(.addLog(frame), descriptor: descriptor) { [self] outcome in
      switch outcome {
      case .frame(.logAdded, _):
        state.withLock { state in
          if state.growth.registered() { state.logs.append(entry) }
        }
      case .frame(.error(let error), _): refuse(BusError(number: error.code, text: error.text))
      // The router went in between: ask the next one again.
      default: state.withLock { $0.growth.routerLost() }
      }
    }
    if !sent { state.withLock { $0.growth.routerLost() } }
  }

  /// A larger log was refused; the publisher goes on with the one it has.
  private func refuse(_ why: BusError) { state.withLock { $0.growth.refused(why) } }
}
