package import BusWire

/// Something that a router is told that does not know this agent yet.
package struct RestoreStep<Descriptor: Sendable>: Sendable {
  /// Whom it concerns: what a router says against it may end the subject alone.
  package enum Subject: Hashable, Sendable {
    case stream(StreamID)
    case subscription(UInt32)
    /// A name that is answered, or whose responders are wanted.
    case name(AgentFrame)
    case blob(BusUUID)
    /// That was all.
    case end
  }

  package let subject: Subject
  package let frame: AgentFrame
  package let descriptor: Descriptor?
  package let hasAnswer: Bool

  package init(
    _ subject: Subject, _ frame: AgentFrame, _ descriptor: Descriptor? = nil,
    hasAnswer: Bool = true
  ) {
    self.subject = subject
    self.frame = frame
    self.descriptor = descriptor
    self.hasAnswer = hasAnswer
  }

  /// Whether a router that says this is told the rest all the same.
  func mayBeRefused(with code: BusErrorCode) -> Bool {
    switch subject {
    // The policy changed meanwhile: what is mapped may be drained, nothing new comes.
    case .subscription: code == .denied
    case .name: [.denied, .nameInUse, .resourceExhausted].contains(code)
    // A quota that shrank meanwhile: this one cannot be opened any more.
    case .blob: [.resourceExhausted, .invalid].contains(code)
    case .stream, .end: false
    }
  }
}
