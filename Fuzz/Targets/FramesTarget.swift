package import BusWire

/// Frames as bytes, in both directions: what decodes is encoded to the same bytes again.
///
/// The first byte chooses the direction and whether the header is written for the input. The
/// client's handling behind the decoder needs a socket and is not reached here.
package final class FramesTarget: FuzzTarget {
  package static let name = "frames"
  package static let bytesMax = 512

  package init() {}

  package func run(_ input: inout FuzzInput) throws(Broken) {
    let head = input.byte()
    var bytes: [UInt8]
    if head & 2 == 0 {
      bytes = input.rest()
    } else {
      let raw = UInt16(input.byte())
      guard let kind = ControlKind(rawValue: raw) else { return }
      bytes = ControlWriter(kind: kind, request: 7).bytes
      bytes += input.rest()
    }
    if head & 1 == 0 {
      guard let (request, frame) = try? AgentFrame.decode(bytes) else { return }
      try same(frame.encode(request: request), bytes, "\(frame.kind)")
      try claim(ControlFormat.request(of: bytes) == request, "the number of a request")
    } else {
      guard let (request, frame) = try? RouterFrame.decode(bytes) else { return }
      try same(frame.encode(request: request), bytes, "\(frame.kind)")
      try claim(ControlFormat.request(of: bytes) == request, "the number of a request")
      if case .announce(let announce) = frame {
        Canary.sing(when: announce.mayCall.count == 2 && announce.generation != 1)
      }
    }
  }

  private func same(
    _ again: [UInt8], _ bytes: [UInt8], _ kind: @autoclosure () -> String
  ) throws(Broken) {
    // Longer texts are cut when they are sent.
    guard bytes.count <= ControlFormat.textBytesMax else { return }
    try claim(again == bytes, "a \(kind()) frame of \(bytes.count) bytes comes back different")
  }

  /// Whether the table of fields writes a frame of this kind that decodes.
  package static func writes(_ kind: ControlKind) -> Bool {
    var input = unsafe FuzzInput(UnsafeRawBufferPointer(start: nil, count: 0))
    var pen = FramePen()
    guard FrameFields.rows[kind] != nil else { return false }
    return (try? AgentFrame.decode(pen.frame(kind, request: 7, &input)))?.frame.kind == kind
  }

  package static func seeds() -> [[UInt8]] {
    var input = unsafe FuzzInput(UnsafeRawBufferPointer(start: nil, count: 0))
    var pen = FramePen()
    var seeds = FrameFields.kinds.map { kind in
      [0] + pen.frame(kind, request: 7, &input)
    }
    let id = BusUUID(word0: 1, word1: 2)
    let (stream, attachment, agent) = (StreamID(1), AttachmentID(2), Incarnation(3))
    let news: [RouterFrame] = [
      .announce(
        AnnounceFrame(
          subscription: 1, attachment: attachment, stream: stream, publisherIncarnation: agent,
          publisher: id, publisherName: "feed", channel: "ticks", generation: 1, capacity: 65536,
          segmentBytes: 73728, flags: [.current], mayCall: ["math.>", "größe"])),
      .streamEnded(StreamEndedFrame(stream: stream, finalPosition: .max, reason: .died)),
      .evicted(EvictedFrame(attachment: attachment, reason: "slow")),
      .leave(LeaveFrame(attachment: attachment)), .agentGone(AgentGoneFrame(incarnation: agent)),
      .error(ErrorFrame(code: 2, text: "denied")), .done, .queryEnd,
      .responders(
        RespondersFrame(
          name: "math", group: .service, isProvisional: true, before: 0, total: 1,
          responders: [Responder(incarnation: agent, name: "adder")])),
      .row(RowFrame(subject: .agents, fields: [RowField(key: "name", value: "a")])),
      .snapshotBegin(SnapshotFrame(generation: 1)), .snapshotEnd(SnapshotFrame(generation: 1)),
    ]
    seeds += news.map { [1] + $0.encode(request: 3) }
    return seeds
  }
}
