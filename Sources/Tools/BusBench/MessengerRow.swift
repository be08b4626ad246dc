import BinaryComm

/// Some messengers in a row, polled by their number.
final class MessengerRow {
  /// An array cannot hold values that cannot be copied, but what they lie in.
  private final class Place {
    var messenger: Messenger
    var open = 0

    init(_ agent: Agent) throws {
      messenger = try agent.messenger(MessengerOptions(wait: .sleep))
    }
  }

  private let places: [Place]
  /// Replies that came, to all of them.
  private(set) var answered: UInt64 = 0
  /// Requests that failed, of all of them.
  private(set) var failed: UInt64 = 0

  init(_ agents: [Agent]) throws { places = try agents.map(Place.init) }

  /// How many there are.
  var count: Int { places.count }

  /// Requests of one that wait for their replies.
  func open(_ at: Int) -> Int { places[at].open }

  /// Sends a request of one to another agent.
  func ask(_ at: Int, _ name: String) throws {
    let place = places[at]
    let options = SendOptions(timeoutNs: 60_000_000_000)
    let recipient = try place.messenger.out.agent(name)
    _ = try place.messenger.out.request(recipient, [1, 2, 3, 4], options)
    place.messenger.flush()
    place.open += 1
  }

  /// One poll of one: answers requests, notes replies; returns how many messages there were.
  func turn(_ at: Int) throws -> Int {
    var replies = 0
    var failures = 0
    let taken = try places[at].messenger.poll { message, incoming, out in
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
    places[at].open -= replies + failures
    return taken + failures
  }
}
