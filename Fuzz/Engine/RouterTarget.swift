import BusAccess
import BusFuzz
import BusPorts
import BusRouting
import BusWire

/// Frames of several agents into the router's engine, in any order, with any descriptors.
///
/// Each event keeps the account of descriptors exact and every table within its limit; at the end
/// all agents leave and nothing may be left.
final class RouterTarget: FuzzTarget {
  static let name = "router"
  static let bytesMax = 96

  private let rules: Policy
  private let limits: RouterLimits
  private static let connectionsMax = 4
  /// Routers as they begin, by the bits of the first byte: copied, not made anew each time.
  private var beginnings: [(router: RouterState, books: RouterBooks)] = []
  /// Who may read what under `rules`, written down apart from the policy's code.
  static let mayRead: [String: Set<String>] = [
    "feed": ["bcs.broadcast"], "reader": ["open", "own.deep", "bcs.broadcast"],
    "spy": ["bcs.broadcast"],
  ]

  init() throws {
    var policy = Policy()
    var feed = AgentRule(name: try TopicPattern("feed"), users: [1000])
    feed.write = [try Grant("open"), try Grant("secret"), try Grant("own.deep")]
    feed.answer = [try TopicPattern("math")]
    try policy.add(feed)
    var reader = AgentRule(name: try TopicPattern("reader"), users: [1000])
    reader.read = [try Grant("open"), try Grant("own.deep")]
    reader.holdBack = [try Grant("open")]
    reader.write = [try Grant("open")]
    reader.call = [try TopicPattern("math")]
    try policy.add(reader)
    try policy.add(AgentRule(name: try TopicPattern("spy"), users: [1000]))
    rules = policy
    var limits = RouterLimits()
    limits.agentBytes = 600_000
    limits.arenaBytes = 1_500_000
    limits.logsPerStream = 3
    limits.streamsPerAgent = 6
    limits.subscriptionsPerAgent = 4
    limits.attachmentsPerAgent = 12
    limits.interestsPerAgent = 3
    limits.answersPerAgent = 3
    limits.blobsPerAgent = 3
    limits.blobsLeftMax = 4
    limits.connections = 4
    limits.connectionsPerUser = 4
    limits.connectionsOfStrangers = 2
    self.limits = limits
    for head in 0..<8 as Range<UInt8> { beginnings.append(try begin(head)) }
  }

  /// Bit 0: with rules; 1: after a kill, not an orderly end; 2: three agents are there, without
  /// an input having to find the way.
  private func begin(_ head: UInt8) throws(Broken) -> (router: RouterState, books: RouterBooks) {
    let isRuled = head & 1 == 1
    let former: FormerRouter = head & 2 != 0 ? .killed : .stopped
    let identity = RouterIdentity(pid: 1, uid: 1000, bootNs: 100, former: former)
    var books = RouterBooks(limits: limits, isRuled: isRuled)
    var router = RouterState(
      identity, limits: limits, policy: isRuled ? rules : .sameUser(1000), sealer: books.sealer,
      probe: books.probe, clockPage: RouterBooks.clockPage)
    if head & 4 != 0 {
      for place in 0..<3 { try arrive(place, &router, &books) }
    }
    return (router, books)
  }

  func run(_ input: inout FuzzInput) throws(Broken) {
    let head = Int(input.byte() & 7)
    var (router, books) = beginnings[head]
    books.probe.word = 0
    for _ in 0..<64 where input.left > 0 { try step(&router, &books, &input) }
    for place in 0..<Self.connectionsMax {
      try books.happen(.disconnected(books.connection(place)), &router)
    }
    // The first tick of a router that took over begins its grace, a later one ends it.
    try books.happen(.tick(nowNs: books.nowNs), &router)
    try books.happen(.tick(nowNs: .max), &router)
    try books.expectNothing(router)
  }

  private func arrive(
    _ place: Int, _ router: inout RouterState, _ books: inout RouterBooks
  ) throws(Broken) {
    let peer = Peer(pid: Int32(100 + place), uid: 1000, startTime: 5)
    let connection = books.open(place)
    try books.happen(.connected(connection, peer), &router)
    let hello = AgentFrame.hello(HelloFrame(program: "t"))
    try books.happen(.frame(connection, request: 1, hello, []), &router)
    var words = FrameWords()
    words.name = FrameFields.names[place]
    words.agent = FramePen.agent(UInt64(place) + 1)
    let register = AgentFrame.register(
      RegisterFrame(name: words.name, category: "t", agent: words.agent))
    try books.frame(register, request: 2, from: place, words, honest: true, &router)
  }

  private func step(
    _ router: inout RouterState, _ books: inout RouterBooks, _ input: inout FuzzInput
  ) throws(Broken) {
    let code = input.byte()
    let place = Int(code >> 5) % Self.connectionsMax
    switch code & 31 {
    case 0:
      let peer = Peer(pid: Int32(input.byte()), uid: code & 128 == 0 ? 1000 : 7, startTime: 5)
      try books.happen(.disconnected(books.connection(place)), &router)
      try books.happen(.connected(books.open(place), peer), &router)
    case 1: try books.happen(.disconnected(books.connection(place)), &router)
    case 2:
      books.nowNs &+= UInt64(input.byte()) << 26
      try books.happen(.tick(nowNs: books.nowNs), &router)
    case 3: try books.happen(.drained(books.connection(place)), &router)
    case 4: try raw(input.take(Int(input.byte())), place, &router, &books)
    case 5: books.probe.word = input.number(bytes: 2) << 6
    default:
      let kind = FrameFields.kinds[input.pick(FrameFields.kinds.count)]
      let request = UInt32(code & 31) - 6
      let bytes = books.pen.frame(kind, request: request, &input)
      let words = books.pen.words
      guard let (number, frame) = try? AgentFrame.decode(bytes) else { return }
      try claim(frame.encode(request: number) == bytes, "\(kind) is not encoded as it came")
      let isHonest = input.byte() & 15 != 15
      try books.frame(frame, request: number, from: place, words, honest: isHonest, &router)
    }
  }

  private func raw(
    _ bytes: [UInt8], _ place: Int, _ router: inout RouterState, _ books: inout RouterBooks
  ) throws(Broken) {
    let connection = books.connection(place)
    guard let (request, frame) = try? AgentFrame.decode(bytes) else {
      let request = ControlFormat.request(of: bytes)
      try books.happen(.unreadable(connection, request: request, .invalid, "no frame"), &router)
      return
    }
    let again = frame.encode(request: request)
    try claim(again == bytes, "a \(frame.kind) frame is not encoded as it came")
    try books.frame(frame, request: request, from: place, FrameWords(), honest: true, &router)
  }

  static func seeds() -> [[UInt8]] {
    var seeds: [[UInt8]] = []
    func kind(_ kind: ControlKind) -> UInt8 {
      UInt8(FrameFields.kinds.firstIndex(of: kind) ?? 0)
    }
    // Each kind once, from each of three agents, under both policies.
    for row in FrameFields.kinds {
      let frame: [UInt8] = [7, kind(row), 0, 0, 0, 4, 0, 0, 0, 0, 0]
      seeds.append([4] + frame + [0x27] + frame.dropFirst() + [0x47] + frame.dropFirst())
    }
    // A stream, its reader, the join, the end; then a grace after a take-over.
    let stream: [UInt8] = [7, kind(.addLog), 255, 0, 0, 4, 0, 0]
    let reading: [UInt8] = [0x27, kind(.subscribe), 1, 0, 0, 1, 3, 0]
    let joins: [UInt8] = [
      0x27, kind(.attach), 0, 1, 0, 7, kind(.joined), 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ]
    seeds.append([4] + stream + reading + joins + [7, kind(.closeStream), 0, 0])
    seeds.append([5] + reading + stream + joins + [0x01, 2, 200, 2, 200])
    seeds.append([6] + stream + reading + joins + [2, 255, 2, 255, 2, 255])
    return seeds
  }
}
