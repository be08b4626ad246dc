import BusWire
import Testing

@Suite("The control protocol's codec")
struct ControlTests {
  @Test("the samples hold every kind once")
  func samplesAreComplete() {
    let kinds =
      ControlSamples.fromAgents.map(\.kind) + ControlSamples.fromRouter.map(\.kind)
    #expect(kinds.count == ControlKind.allCases.count)
    #expect(Set(kinds) == Set(ControlKind.allCases))
  }

  @Test("an agent's frame reads as it was written", arguments: ControlSamples.fromAgents)
  func agentRoundTrip(frame: AgentFrame) throws {
    let read = try AgentFrame.decode(frame.encode(request: 77))
    #expect(read.request == 77)
    #expect(read.frame == frame)
  }

  @Test("a router's frame reads as it was written", arguments: ControlSamples.fromRouter)
  func routerRoundTrip(frame: RouterFrame) throws {
    let read = try RouterFrame.decode(frame.encode(request: .max))
    #expect(read.request == .max)
    #expect(read.frame == frame)
  }

  @Test("a frame cut anywhere is refused", arguments: ControlSamples.fromAgents)
  func agentTruncated(frame: AgentFrame) {
    let bytes = frame.encode()
    for end in bytes.indices {
      #expect(throws: ControlError.tooShort) { try AgentFrame.decode(bytes[..<end]) }
    }
  }

  @Test("a router's frame cut anywhere is refused", arguments: ControlSamples.fromRouter)
  func routerTruncated(frame: RouterFrame) {
    let bytes = frame.encode()
    for end in bytes.indices {
      #expect(throws: ControlError.tooShort) { try RouterFrame.decode(bytes[..<end]) }
    }
  }

  @Test("bytes behind the last field are refused", arguments: ControlSamples.fromAgents)
  func leftOver(frame: AgentFrame) {
    #expect(throws: ControlError.leftOver(1)) { try AgentFrame.decode(frame.encode() + [0]) }
  }

  @Test("the header's bytes are those of the document")
  func header() {
    let bytes = AgentFrame.goodbye.encode(request: 0x0403_0201)
    #expect(bytes == Array("BCSC".utf8) + [2, 0, 15, 0, 1, 2, 3, 4, 0, 0, 0, 0])
  }

  @Test("a uuid keeps the order of its bytes")
  func uuidOrder() {
    let uuid = BusUUID(high: 0x0102_0304_0506_0708, low: 0x090A_0B0C_0D0E_0F10)
    let frame = RegisterFrame(name: "", category: "", agent: uuid)
    #expect(AgentFrame.register(frame).encode().suffix(16) == Array(1...16)[...])
  }

  @Test("magic, version, direction and reserved field are checked")
  func foreignFrames() {
    var bytes = AgentFrame.goodbye.encode(request: 9)
    #expect(throws: ControlError.unknownKind(15)) { try RouterFrame.decode(bytes) }
    bytes[12] = 1
    #expect(throws: ControlError.notAFrame) { try AgentFrame.decode(bytes) }
    bytes[4] = 1
    #expect(throws: ControlError.version(1)) { try AgentFrame.decode(bytes) }
    #expect(ControlFormat.request(of: bytes) == 9)
    bytes[0] = 0
    #expect(throws: ControlError.notAFrame) { try AgentFrame.decode(bytes) }
    #expect(ControlFormat.request(of: bytes) == 0)
    let long = [UInt8](repeating: 0, count: ControlFormat.frameBytesMax + 1)
    #expect(throws: ControlError.tooLong) { try AgentFrame.decode(long) }
  }

  @Test("values without a meaning are refused")
  func meaningless() {
    var mode = AgentFrame.query(QueryFrame(subject: .router)).encode()
    mode[16] = 9
    #expect(throws: ControlError.value(9)) { try AgentFrame.decode(mode) }
    var name = AgentFrame.hello(HelloFrame(program: "x")).encode()
    name[20] = 0xFF
    #expect(throws: ControlError.notText) { try AgentFrame.decode(name) }
  }

  @Test("a text that is too long is cut between two characters")
  func longText() throws {
    let text = "x" + String(repeating: "é", count: ControlFormat.textBytesMax)
    let bytes = RouterFrame.error(ErrorFrame(code: 1, text: text)).encode()
    guard case .error(let read) = try RouterFrame.decode(bytes).frame else {
      Issue.record("not an error frame")
      return
    }
    #expect(read.text.utf8.count == ControlFormat.textBytesMax - 1)
    #expect(text.hasPrefix(read.text))
  }

  @Test("random and randomly changed bytes never trap, and what is read can be written again")
  func randomBytes() throws {
    var random = SplitMix(seed: 20_260_101)
    let samples = ControlSamples.fromAgents.map { $0.encode(request: 1) }
    var accepted = 0
    for round in 0..<60_000 {
      var bytes = samples[round % samples.count]
      for _ in 0..<(1 + random.next() % 4) {
        bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next())
      }
      guard let read = try? AgentFrame.decode(bytes) else { continue }
      accepted += 1
      #expect(read.frame.encode(request: read.request) == bytes)
    }
    #expect(accepted > 1000)
    for _ in 0..<20_000 {
      let noise = (0..<(random.next() % 96)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      _ = try? RouterFrame.decode(noise)
    }
  }
}

/// A small generator, so that a failing round can be run again.
private struct SplitMix: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
