import BusWire

/// What is said of one stream of a former router while agents come back, until it is settled.
///
/// It is kept by stream, so that the end of the grace need not look at all of it at once.
struct Returning {
  /// By reader: the numbers under which it says it reads the stream.
  private(set) var claims: [Incarnation: Set<AttachmentID>] = [:]
  private(set) var claimsOfUser: [UInt32: Int] = [:]
  /// The numbers under which its publisher says it is read.
  var words: Set<AttachmentID> = []
  /// The users of readers in whose turns the stream is settled, if its publisher's comes later.
  private var users: Set<UInt32> = []

  /// Nothing is said of it any more.
  var isEmpty: Bool { claims.isEmpty && words.isEmpty }

  /// True for the first time that readers of this user claim it.
  mutating func isFirst(of user: UInt32) -> Bool { users.insert(user).inserted }

  /// A reader of this user claims a number.
  mutating func add(claim number: AttachmentID, by reader: Incarnation, of user: UInt32) {
    claims[reader, default: []].insert(number)
    claimsOfUser[user, default: 0] += 1
  }

  /// It does no more.
  mutating func remove(claim number: AttachmentID, by reader: Incarnation, of user: UInt32) {
    guard claims[reader]?.remove(number) != nil else { return }
    if claims[reader]?.isEmpty ?? true { claims[reader] = nil }
    claimsOfUser.takeOne(user)
  }
}

/// What the router has to know of a stream to judge who reads it.
///
/// A copy of the whole would have its sets copied with each reading that is added.
struct ClaimedStream {
  let id: StreamID
  let channel: String
  let publisher: Incarnation
  let publisherUser: UInt32?
  /// Its publisher says no more of who reads it.
  let isOver: Bool

  init(_ stream: BusStream, isOver: Bool) {
    (id, channel, self.isOver) = (stream.id, stream.channel.text, isOver)
    (publisher, publisherUser) = (stream.publisher, stream.publisherUser)
  }
}
