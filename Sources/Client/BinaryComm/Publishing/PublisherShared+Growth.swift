import BusLog
import BusMemory
import BusSystem
import BusWire

// Larger logs: asked for by the publishing thread, made and registered by the service thread.

extension PublisherShared {
  /// Asks the service thread for a larger log.
  func ask(for shape: LogShape) { perform(cell.update { $0.ask(for: shape) }) }

  /// Makes the log that was asked for and offers it to the router (service thread).
  func prepareIfAsked() { perform(cell.update { $0.prepare() }) }

  func make(_ shape: LogShape, generation: UInt32) {
    guard let identity = agent.logIdentity(channel, generation: generation, shape: shape) else {
      return cell.update { $0.routerLost() }
    }
    do throws(MemoryError) {
      var log = try NewLog(identity)
      let descriptor = FileDescriptor(log.releaseDescriptor())
      var made: NewLog? = consume log
      perform(
        cell.update { state in
          if let made = made.take() { state.offer(made, descriptor) } else { [] }
        })
    } catch {
      cell.update { $0.refused(.noMemory("no memory for a larger log", error)) }
    }
  }

  func register(_ frame: AddLogFrame, _ descriptor: FileDescriptor) {
    let sent = agent.call(.addLog(frame), descriptor: descriptor) { [cell] outcome in
      cell.update { state in
        switch outcome {
        case .frame(.logAdded, _): state.registered(frame.generation)
        case .frame(.error(let error), _):
          state.refused(BusError(number: error.code, text: error.text))
        default: state.routerLost()
        }
      }
    }
    if !sent { cell.update { $0.routerLost() } }
  }

  // MARK: The publishing thread

  /// Why a log of this size is refused; nil when it is not, or is to be asked for again.
  func refusal(of shape: LogShape) -> BusError? {
    cell.update { $0.refusal(of: shape, nowNs: HostClock.monotonicNs()) }
  }

  /// Whether a log of this size is refused now; leaves the refusal as it is.
  func isRefused(_ shape: LogShape) -> Bool {
    cell.update { $0.isRefused(shape, nowNs: HostClock.monotonicNs()) }
  }

  /// The larger log, once the router has registered it.
  func takeReady() -> NewLog? { cell.update { $0.take() } }

  func giveBack(_ log: consuming NewLog) {
    var held: NewLog? = consume log
    cell.update { state in
      if let unused = held.take() { state.giveBack(unused) }
    }
  }

  /// The publisher writes this generation now, from this position on.
  func moved(to generation: UInt32, at position: UInt64) {
    cell.notify { $0.moved(to: generation, at: position) }
  }
}
