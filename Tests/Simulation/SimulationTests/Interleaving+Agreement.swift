import BinaryComm
import BusRouting
import BusWire
import RouterHarness

// The end of a history: what must hold once everything has arrived, and when everybody has left.

extension Interleaving {
  /// Lets everything that is under way arrive, and time pass until nothing more is to come.
  mutating func settle() {
    takeAllTurns()
    for _ in 0..<40 {
      calmDown(most: 400)
      tick(200_000_000)
    }
  }

  /// What must hold once everything has arrived: who may read a stream reads it, once, and the
  /// router, the readers and the publishers know the same.
  mutating func checkAgreement() {
    let honest = agents.filter { $0.kind != "spy" }
    for reader in honest {
      for (number, subscription) in reader.subscriptions where subscription.isConfirmed {
        for publisher in honest {
          for (id, stream) in publisher.streams {
            compare(reader, number, subscription.wish, publisher, id, stream)
          }
        }
      }
    }
    for publisher in honest {
      for (id, stream) in publisher.streams where !stream.window.expected.isEmpty {
        violations.append("\(publisher.name) still expects somebody on \(id.value)")
      }
    }
    let asker = world.connect()
    let known = Set(world.rows(asker, .attachments).compactMap { $0["attachment"] })
    world.happen(.disconnected(asker))
    world.forgetSent()
    var claimed: Set<String> = []
    for reader in honest {
      for (id, reading) in reader.subscriptions.values.flatMap(\.readings) {
        claimed.insert("\(id.value)")
        guard !known.contains("\(id.value)") else { continue }
        violations.append(
          "\(reader.name) reads \(reading.source.stream.value) of "
            + "\(reading.source.publisherName) by \(id.value), joined: "
            + "\(reading.start != nil), which the router does not know")
      }
    }
    for id in known.subtracting(claimed).sorted() {
      violations.append("the router knows of the reading \(id), and no reader does")
    }
    // The hostile one may have been refused without minding.
    if !(honest.count...agents.count).contains(world.router.agentCount) {
      violations.append("the router has \(world.router.agentCount) agents of \(agents.count)")
    }
  }

  private mutating func compare(
    _ reader: SimulatedAgent, _ number: UInt32, _ wish: SubscribeFrame,
    _ publisher: SimulatedAgent, _ id: StreamID, _ stream: SimulatedAgent.Stream
  ) {
    guard Self.mayRead[reader.kind]?.contains(stream.state.channel) == true,
      wish.pattern == ">" || wish.pattern == stream.state.channel
    else { return }
    let mine = reader.readings(of: number).filter { $0.value.source.stream == id }
    let excuse = SimulatedAgent.Excuse(subscription: number, stream: id)
    guard mine.count == 1 || (mine.isEmpty && reader.excuses.contains(excuse)) else {
      let what = "\(id.value) of \(publisher.name)"
      violations.append("\(reader.name) reads \(what) \(mine.count) times")
      return
    }
    for (attachment, reading) in mine {
      if reading.start == nil {
        violations.append("\(reader.name) waits for \(publisher.name) for ever")
      }
      if stream.state.readers(in: stream.window.attachments)[attachment] != reader.incarnation {
        violations.append("\(publisher.name) does not know of \(reader.name)")
      }
    }
  }

  /// Everybody leaves: nothing may stay.
  mutating func leaveAll() {
    for agent in agents { disconnect(agent) }
    agents = []
    nowNs += 3_600_000_000_000
    world.happen(.tick(nowNs: nowNs))
    world.happen(.tick(nowNs: nowNs + 3_600_000_000_000))
    let router = world.router
    if !world.open.isEmpty || router.arenaBytesUsed != 0 {
      violations.append("\(world.open.count) descriptors and \(router.arenaBytesUsed) bytes stay")
    }
    let rest = [router.agentCount, router.streamCount, router.attachmentCount, router.blobCount]
    if rest != [0, 0, 0, 0] {
      violations.append("\(rest) agents, streams, attachments and blobs stay")
    }
  }
}
