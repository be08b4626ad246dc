import BinaryComm
import BusTestSupport
import BusWire
import CBusABI
import Foundation
import Glibc

// Rights that only the library of the agent that is called can keep: the router has let the
// lane in.

enum RightRows {
  static var all: [AttackRow] {
    [("may call", 0, 1), ("may not call", 1, 0)].map { what, place, runs in
      AttackRow("rights: a service that the requester \(what)", call(UInt64(place), runs: runs))
    }
  }

  /// A router whose policy lets the requester call one of the victim's two services.
  static func stand() async throws -> Stand {
    let home = try TemporaryDirectory("rights")
    let file = home.file("policy.yaml")
    try """
    agents:
      - name: honest.*
        users: [\(getuid())]
        read: [">"]
        write: [">"]
        hold_back: [">"]
        services:
          call: [">"]
          answer: [">"]
      - name: kit.victim
        users: [\(getuid())]
        services:
          answer: [kit.work, kit.secret]
      - name: kit.requester
        users: [\(getuid())]
        services:
          call: [kit.work]
    """.write(toFile: file, atomically: true, encoding: .utf8)
    let stand = try await Stand.bus(["--policy", file])
    // The file was read at the router's start.
    try FileManager.default.removeItem(atPath: home.file("policy.yaml"))
    return stand
  }

  /// A request for the topic at a place of the requester's table, and a sound one behind it.
  private static func call(
    _ place: UInt64, runs: Int
  ) -> @Sendable (Stand, Report) async throws -> Void {
    { stand, report in
      let victim = try stand.victim("kit.victim")
      let (hostile, last) = (UnluckyRows.Runs(), UnluckyRows.Runs())
      for service in ["kit.work", "kit.secret"] {
        try await victim.serve(service, executor: OwnThreads.shared) { request in
          (request.payload == Array("last".utf8) ? last : hostile).add()
          return request.payload
        }
      }
      let (peer, log) = try RequestRow.reach(stand)
      log.topics(["kit.work", "kit.secret"].map { Array($0.utf8) })
      for (line, topic, payload) in [(0, place, "work"), (2, 0, "last")] as [(Int, UInt64, String)]
      {
        log.publish(
          line: line, items: [], payload: Array(payload.utf8), topic: topic,
          type: UInt64(BUS_TYPE_REQUEST), flags: UInt64(BUS_FLAG_REPLY_EXPECTED),
          correlation: UInt64(9 + line), stamp: RequestRow.now)
      }
      for _ in 0..<2000 where last.value == 0 || hostile.value < runs {
        await rest(milliseconds: 5)
      }
      report.result("\(last.value)", is: "1", "runs for the sound request behind it")
      report.result("\(hostile.value)", is: "\(runs)", "runs for the request")
      report.work(hostile.value, atMost: 1, "runs for one message")
      peer.leave()
      victim.close()
    }
  }
}
