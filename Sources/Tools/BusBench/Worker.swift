import BinaryComm
import BusLog
import CBusPlatform
import Glibc

/// One agent of a measurement.
struct Worker {
  let plan: WorkerPlan
  let link: WorkerLink

  private var bench: BenchPlan { plan.bench }

  /// Does the role's work and tells the result.
  ///
  /// - Throws: `BusError`, or `WorkerFailure` when nothing moves any more.
  func run() throws {
    let bus = try Bus.connect(to: plan.directory)
    let agent = try bus.register("cli.bench.\(getpid())", category: "bench")
    defer { agent.close() }
    // After the registration, whose service thread keeps the choice of all CPUs.
    if let cpu = plan.cpu, !Machine.pin(to: cpu) {
      throw WorkerFailure(text: "CPU \(cpu) is no longer allowed; leave out --pin", exitCode: 1)
    }
    switch plan.role {
    case .publish: try publish(agent)
    case .read: try read(agent)
    case .ping: try ping(agent)
    case .pong: try pong(agent)
    case .ask: try ask(agent)
    case .serve: try serve(agent)
    }
  }

  private func publish(_ agent: Agent) throws {
    link.wait(for: .prepare)
    var publisher = try publisher(agent, plan.channel)
    let topic = try publisher.topic(plan.channel)
    let loop = PublishLoop(plan, ticksPerSecond: ticksPerSecond)
    try loop.warmUp(&publisher, topic)
    link.tell(.prepared)
    link.wait(for: .go)
    var result = WorkerResult()
    result.began = plat_ticks()
    result.sent =
      if let rate = bench.rate {
        try loop.pace(&publisher, topic, rate: rate)
      } else if bench.batch > 1 {
        try loop.batches(&publisher, topic)
      } else {
        try loop.singles(&publisher, topic)
      }
    link.finish(result)
    publisher.close()
  }

  private func read(_ agent: Agent) throws {
    var reader = try agent.reader(plan.channel, mode: .lossless, wait: strategy)
    link.tell(.subscribed)
    var loop = ReadLoop(plan, ticksPerSecond: ticksPerSecond)
    try loop.run(&reader) { link.tell(.attached) }
    link.finish(loop.result)
    reader.close()
  }

  private func ping(_ agent: Agent) throws {
    var reader = try agent.reader(plan.channelBack, mode: .lossless, wait: strategy)
    link.tell(.subscribed)
    link.wait(for: .prepare)
    var publisher = try publisher(agent, plan.channel)
    let topic = try publisher.topic(plan.channel)
    link.tell(.prepared)
    link.wait(for: .go)
    var loop = PingLoop(plan, ticksPerSecond: ticksPerSecond)
    try loop.ping(&publisher, topic, &reader)
    link.finish(loop.result)
    publisher.close()
    reader.close()
  }

  private func pong(_ agent: Agent) throws {
    var reader = try agent.reader(plan.channel, mode: .lossless, wait: strategy)
    link.tell(.subscribed)
    link.wait(for: .prepare)
    var publisher = try publisher(agent, plan.channelBack)
    let topic = try publisher.topic(plan.channelBack)
    link.tell(.prepared)
    link.wait(for: .go)
    var loop = PingLoop(plan, ticksPerSecond: ticksPerSecond)
    try loop.pong(&publisher, topic, &reader)
    link.finish(loop.result)
    publisher.close()
    reader.close()
  }

  private func ask(_ agent: Agent) throws {
    var messenger = try messenger(agent)
    link.tell(.subscribed)
    link.wait(for: .prepare)
    let recipient = try messenger.out.service(plan.channel)
    let end = ContinuousClock.now + .seconds(10)
    while messenger.out.responders(of: recipient).isEmpty, ContinuousClock.now < end {
      if try messenger.poll({ _, _, _ in }) == 0 {
        _ = try messenger.wait(timeout: .milliseconds(1))
      }
    }
    link.tell(.prepared)
    link.wait(for: .go)
    var loop = RequestLoop(plan, ticksPerSecond: ticksPerSecond)
    try loop.ask(&messenger, recipient)
    link.finish(loop.result)
    messenger.close()
  }

  private func serve(_ agent: Agent) throws {
    var messenger = try messenger(agent)
    try messenger.answer(plan.channel)
    link.tell(.subscribed)
    link.wait(for: .prepare)
    link.tell(.prepared)
    link.wait(for: .go)
    var loop = RequestLoop(plan, ticksPerSecond: ticksPerSecond)
    try loop.serve(&messenger)
    link.finish(loop.result)
    messenger.close()
  }

  private func messenger(_ agent: Agent) throws -> Messenger {
    try agent.messenger(
      MessengerOptions(inFlight: max(64, bench.inFlight), wait: strategy))
  }

  /// A publisher whose log neither grows nor shrinks: its size is part of what is measured.
  ///
  /// Only large payloads get what any publisher would: a log that grows for the first of them.
  private func publisher(_ agent: Agent, _ channel: String) throws -> Publisher {
    if bench.mode == .large { return try agent.publisher(on: channel) }
    let options = PublisherOptions(
      firstLogBytes: bench.logBytes, logBytesMax: bench.logBytes, growth: false)
    return try agent.publisher(on: channel, options: options)
  }

  private var strategy: WaitStrategy {
    switch bench.wait {
    case .spin: .spin
    case .adaptive: .adaptive
    case .sleep: .sleep
    }
  }

  private var ticksPerSecond: Double { plan.ticksPerNs * 1e9 }
}

/// Notices that nothing arrives any more, without reading a clock while all is well.
struct IdleWatch {
  /// So long a reader waits for the next message.
  static let secondsMax = 10.0
  private let ticksMax: UInt64
  private var looks: UInt64 = 0
  private var since: UInt64 = 0

  init(ticksPerSecond: Double) { ticksMax = UInt64(Self.secondsMax * ticksPerSecond) }

  /// Something arrived.
  @inline(__always)
  mutating func reset() {
    looks = 0
    since = 0
  }

  /// Nothing arrived.
  ///
  /// - Parameters:
  ///   - hasWaited: true when a whole timeout passed; else one of very many quick looks.
  ///   - audit: what arrived before, for the message.
  /// - Throws: `WorkerFailure` when that has gone on for too long.
  mutating func note(hasWaited: Bool, _ audit: DeliveryAudit) throws {
    looks += 1
    guard hasWaited || looks & 0xFFFF == 0 else { return }
    let now = plat_ticks()
    if since == 0 { since = now }
    guard now &- since > ticksMax else { return }
    let text =
      "nothing arrived for \(Int(Self.secondsMax)) s after \(audit.received) messages "
      + "(\(audit.lost) missing, \(audit.corrupt) corrupt); look for stopped processes"
    throw WorkerFailure(text: text, exitCode: 4)
  }
}
