import BusCounters
import BusLog
import BusWire

// What a messenger keeps with the stream that a message came from.

extension Message {
  /// What the messenger calls the publisher of an inbox log; nil until it has a name.
  @inline(__always)
  var peer: Int? {
    let index = withTopics { $0.peer }
    return index < 0 ? nil : index
  }

  /// Gives the publisher its name.
  func setPeer(_ index: Int) { withTopics { $0.peer = index } }

  /// The lane of an inbox log.
  @inline(__always)
  var lane: Lane { withTopics { $0.lane } }

  /// The stream, as the router has described it.
  var streamSource: StreamSource { withTopics { $0.source } }

  /// Counts the message as refused, in its stream's row.
  func refuse(_ reason: DropReason) {
    let bytes = UInt64(words.length)
    withTopics { $0.refuse(reason, bytes: bytes) }
  }

  /// The service that the message's topic was found to be, nil while that is not known.
  @inline(__always)
  var knownService: Int? {
    guard words.word5 == 0 else { return nil }
    let id = words.word6
    return withTopics { $0.knownService(id) }
  }

  /// Notes the service that the message's topic is, for the next one.
  func noteService(_ number: Int) {
    guard words.word5 == 0 else { return }
    let id = words.word6
    withTopics { $0.noteService(number, of: id) }
  }
}
