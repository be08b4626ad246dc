import BinaryComm
import BusTestSupport
import BusWire
import Foundation
import Glibc

// Answers to who has gone: what was given up is given back.

extension FakeRouterRows {
  static let lateAnswer = AttackRow(
    "false router: takes a log after whoever asked has given up"
  ) { stand, report in
    let (fake, agent, peer) = try join(stand)
    defer { withExtendedLifetime(fake) {} }
    var error = "none"
    do throws(BusError) {
      _ = try agent.publisher(on: "kit.late")
    } catch let failure {
      error = failure.code.name
    }
    report.result(error, is: "TIMEOUT")
    let asked = try peer.wait(for: 3)
    for number in [(77, asked.request), (78, asked.request), (79, 4_000_000)] as [(UInt64, UInt32)]
    {
      var frame = RawFrame(kind: RawReply.Kind.logAdded, request: number.1)
      frame.number(number.0, 8)
      frame.number(0, 4)
      frame.number(0, 2)
      for _ in 0..<32 { frame.number(7, 1) }
      try peer.send(frame.bytes)
      // A stream that nobody will write is given back, each time.
      report.result("\(try peer.wait(for: 5).number(0, 8))", is: "\(number.0)", "closed stream")
    }
    report.work(peer.framesReceived, atMost: 16, "frames of the agent")
    agent.close()
    peer.leave()
  }

  static let lateWishes = AttackRow(
    "false router: is silent when an agent wants to answer a name and to watch"
  ) { stand, report in
    let (fake, agent, peer) = try join(stand)
    defer { withExtendedLifetime(fake) {} }
    let (named, watched) = (Latch(), Latch())
    Thread.detachNewThread {
      if var desk = try? agent.messenger() { _ = try? desk.answer("kit.late") }
      named.raise()
    }
    let inbox = try peer.wait(for: 6)
    var subscribed = RawFrame(kind: RawReply.Kind.subscribed, request: inbox.request)
    subscribed.number(inbox.number(0, 4), 4)
    subscribed.number(0, 4)
    try peer.send(subscribed.bytes)
    let name = try peer.wait(for: 22)
    Thread.detachNewThread {
      _ = try? agent.watchCounters()
      watched.raise()
    }
    let watch = try peer.wait(for: 31)
    // A router that is only slow sends requests to an agent that refuses them, and counters to one
    // that looks at none.
    report.result("\(try peer.wait(for: 22).request)", is: "0", "the name is given back")
    report.result("\(try peer.wait(for: 35).request)", is: "0", "the watch is given back")
    for request in [name.request, watch.request] {
      try peer.send(RawFrame(kind: RawReply.Kind.done, request: request).bytes)
    }
    while !named.isRaised || !watched.isRaised { usleep(1000) }
    report.work(peer.framesReceived, atMost: 16, "frames of the agent")
    agent.close()
    peer.leave()
  }
}
