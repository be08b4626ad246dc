import BusLog
import BusMemory
import BusSystem
import Synchronization

/// The state of a stream under its mutex, and whom it tells what.
///
/// Apart from the publisher, since the window reports to it and is made first.
final class StreamCell: Sendable {
  typealias State = PublisherStreamState<FileDescriptor, NewLog>

  private let agent: AgentShared
  private let state: Mutex<State>
  private let onLeave: @Sendable () -> Void

  init(_ state: consuming State, _ agent: AgentShared, onLeave: @escaping @Sendable () -> Void) {
    self.state = Mutex(state)
    self.agent = agent
    self.onLeave = onLeave
  }

  /// Changes the state by an event; nothing else is done under the mutex.
  func update<Result: ~Copyable & Sendable>(
    _ body: (inout State) -> sending Result
  ) -> sending Result {
    state.withLock { body(&$0) }
  }

  /// The same for an event that is only told on.
  func notify(_ body: (inout State) -> sending [State.Notice]) {
    for notice in update(body) { post(notice) }
  }

  func post(_ notice: State.Notice) {
    switch notice {
    case .router(let frame): agent.tell(frame)
    case .readerLeft: onLeave()
    }
  }
}
