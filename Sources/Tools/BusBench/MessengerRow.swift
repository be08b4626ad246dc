import BinaryComm

/// Some messengers in a row: an array cannot hold values that cannot be copied.
@safe
final class MessengerRow {
  private struct MessengerLoop: ~Copyable {
    var messenger: Messenger
    var open = 0
  }
  private let places: UnsafeMutablePointer<MessengerLoop>
  /// How many there are.
  let count: Int
  /// Replies that came, to all of them.
  private(set) var answered: UInt64 = 0
  /// Requests that failed, of all of them.
  private(set) var failed: UInt64 = 0

  init(_ agents: [Agent]) throws {
    unsafe places = .allocate(capacity: max(1, agents.count))
    var made = 0
    do {
      for agent in agents {
        let messenger = try agent.messenger(MessengerOptions(wait: .sleep))
        unsafe (places + made).initialize(to: MessengerLoop(messenger: messenger))
        made += 1
      }
    } catch {
      unsafe places.deinitialize(count: made)
      unsafe places.deallocate()
      throw error
    }
    count = made
  }

  deinit {
    unsafe places.deinitialize(count: count)
    unsafe places.deallocate()
  }

  /// Requests of one that wait for their replies.
  func open(_ at: Int) -> Int { unsafe places[at].open }

  /// Sends a request of one to another agent.
  func ask(_ at: Int, _ name: String) throws {
    let options = SendOptions(timeoutNs: 60_000_000_000)
    let recipient = try unsafe places[at].messenger.out.agent(name)
    _ = try unsafe places[at].messenger.out.request(recipient, [1, 2, 3, 4], options)
    unsafe places[at].messenger.flush()
    unsafe places[at].open += 1
  }

  /// One poll of one: answers requests, notes replies; returns how many messages there were.
  func turn(_ at: Int) throws -> Int {
    var replies = 0
    var failures = 0
    let taken = try unsafe places[at].messenger.poll { message, incoming, out in
      switch incoming.kind {
      case .request: try? out.reply(to: incoming, message.payload)
      case .response: replies += 1
      default: break
      }
    } onFailure: { _, _ in
      failures += 1
    }
    answered += UInt64(replies)
    failed += UInt64(failures)
    unsafe places[at].open -= replies + failures
    return taken + failures
  }
}
