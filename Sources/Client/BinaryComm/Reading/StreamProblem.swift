/// What happened to one publisher's messages, while those of all others go on coming.
///
/// After `evicted` and `corrupt` nothing more of that stream is read; after `resourceExhausted` the
/// stream was never read, because this process or its place on the bus has no room for it.
public struct StreamProblem: Error, Equatable, Sendable {
  /// The publisher, as the router names it; empty when it is not about one publisher.
  public let publisher: String
  /// What happened.
  public let error: BusError

  /// A problem with one publisher's messages.
  public init(publisher: String, error: BusError) {
    self.publisher = publisher
    self.error = error
  }
}
