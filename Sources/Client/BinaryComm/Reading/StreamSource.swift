import BusLog
package import BusWire

/// Whose stream it is, as the router told us.
package struct StreamSource: Sendable {
  package let attachment: AttachmentID
  package let stream: StreamID
  let publisher: BusUUID
  package let publisherIncarnation: Incarnation
  package let publisherName: String
  package let channel: String
  let relay: Bool
  /// It was announced before the stream's first record.
  package let fromStart: Bool
  /// In an inbox: the services to which the publisher may send requests.
  let mayCall: [String]

  init(_ announce: AnnounceFrame) {
    attachment = announce.attachment
    stream = announce.stream
    publisher = announce.publisher
    publisherIncarnation = announce.publisherIncarnation
    publisherName = announce.publisherName
    channel = announce.channel
    relay = announce.flags.contains(.relay)
    fromStart = announce.flags.contains(.fromStart)
    mayCall = announce.mayCall
  }

  /// Whose log it has to be.
  var owner: StreamOwner {
    StreamOwner(agent: publisher, incarnation: publisherIncarnation.value, channel: channel)
  }
}
