import BinaryComm
import BusTestSupport
import BusWire
import Glibc

// Attacks with blobs: on the router, which keeps them, and on who opens them.

enum BlobRows {
  static var all: [AttackRow] { offers + opened }

  /// What a maker says and has of a blob of 64 bytes, and the answer.
  struct Offer: Sendable {
    let name: String
    var payload = 64
    var says: [(value: UInt64, at: Int, width: Int)] = []
    var seals = RawMemory.Seals.whole
    var segmentBytes: UInt64 = 8192
    var payloadBytes: UInt64 = 64
    var keepMs: UInt64 = 0
    var isOtherToken = false
    var expected = "INVALID"
  }

  private static let offerRows: [Offer] = [
    Offer(name: "a sound one", expected: "117"),
    Offer(name: "one that can still be written", seals: .required),
    Offer(name: "one without seals", seals: .none),
    Offer(name: "a frame that says another size of the segment", segmentBytes: 4096),
    Offer(
      name: "a frame that says max as the size", segmentBytes: .max,
      expected: "RESOURCE_EXHAUSTED"),
    Offer(name: "a frame that says no payload", payloadBytes: 0),
    Offer(name: "a frame that says a byte more of payload", payloadBytes: 65),
    Offer(name: "a frame that says max of payload", payloadBytes: .max),
    Offer(name: "a frame that says another token", isOtherToken: true),
    Offer(name: "a payload of 0 in both", says: [(0, 16, 8)], payloadBytes: 0),
    Offer(
      name: "a payload that is larger than the file", says: [(4097, 16, 8)],
      payloadBytes: 4097),
    Offer(name: "a payload of max in both", says: [(.max, 16, 8)], payloadBytes: .max),
    Offer(name: "a payload of the sign bit", says: [(1 << 63, 16, 8)], payloadBytes: 1 << 63),
    Offer(name: "another magic", says: [(0, 0, 4)]),
    Offer(name: "another layout version", says: [(1, 4, 2)]),
    Offer(name: "another size in the file", says: [(4096, 8, 8)]),
    Offer(name: "max as the size in the file", says: [(.max, 8, 8)]),
    Offer(name: "a time of max", keepMs: 0xFFFF_FFFF),
    Offer(name: "an hour and a millisecond", keepMs: 3_600_001),
  ]

  static var offers: [AttackRow] {
    offerRows.map { offer in
      AttackRow("blob: \(offer.name)") { stand, report in
        let peer = try stand.attacker("kit.maker")
        let blob = try RawBlob(
          token: .random(), payload: offer.payload, says: offer.says.map { ($0.0, $0.1, $0.2) },
          seals: offer.seals)
        let answer = try peer.add(
          blob, token: offer.isOtherToken ? .random() : blob.token,
          segmentBytes: offer.segmentBytes, payloadBytes: offer.payloadBytes,
          keepMs: offer.keepMs)
        report.result(answer?.errorCode?.name ?? "\(answer?.kind ?? 0)", is: offer.expected)
        report.work(1, atMost: 1, "frames")
      }
    }
  }

  static let opened: [AttackRow] = [
    AttackRow("blob: references to what is not there, or is another's") { stand, report in
      let peer = try stand.attacker("kit.maker")
      let reader = try stand.victim("kit.victim")
      let blob = try RawBlob(token: .random(), payload: 64)
      _ = try peer.add(blob)
      let maker = Incarnation(peer.incarnation)
      let cases: [(BusUUID, Incarnation, UInt64, String)] = [
        (blob.token, maker, 64, "opened"), (blob.token, maker, 65, "CORRUPT"),
        (blob.token, maker, 1, "CORRUPT"), (blob.token, maker, .max, "CORRUPT"),
        (.random(), maker, 64, "NOT_FOUND"), (.zero, maker, 64, "NOT_FOUND"),
        (blob.token, Incarnation(0), 64, "NOT_FOUND"),
        (blob.token, Incarnation(.max), 64, "NOT_FOUND"),
        (blob.token, Incarnation(reader.incarnation), 64, "NOT_FOUND"),
      ]
      for (token, from, bytes, expected) in cases {
        let reference = BlobReference(token: token, maker: from, byteCount: bytes)
        var found = "opened"
        do throws(BusError) {
          let opened = try reader.openBlob(reference, timeout: .seconds(20))
          report.work(opened.byteCount, atMost: 64, "bytes")
        } catch {
          found = error.code.name
        }
        report.result(found, is: expected, "reference of \(bytes) bytes")
      }
    },
    AttackRow("blob: another agent's is dropped by who does not hold it") { stand, report in
      let (maker, peer) = (try stand.victim("kit.victim"), try stand.attacker("kit.thief"))
      let blob = try maker.makeBlob([1, 2, 3], keep: .zero)
      for now in [UInt64(0), 1] {
        var frame = RawFrame(kind: 34, request: 0)
        for byte in blob.reference.token.bytes { frame.number(UInt64(byte), 1) }
        frame.number(now, 1)
        try peer.send(frame.bytes)
      }
      _ = try peer.routerValue("agents")
      let again = try maker.openBlob(blob.reference)
      report.result("\(again.copy())", is: "[1, 2, 3]")
      report.work(peer.framesSent, atMost: 8, "frames")
      blob.drop()
    },
    AttackRow("blob: one agent hands in more than it may") { stand, report in
      let peer = try stand.attacker("kit.maker")
      var taken = 0
      var code = "none"
      for _ in 0..<1100 {
        let answer = try peer.add(try RawBlob(token: .random(), payload: 64))
        if let error = answer?.errorCode {
          code = error.name
          break
        }
        taken += 1
      }
      report.result(code, is: "RESOURCE_EXHAUSTED")
      report.work(taken, atMost: 1024, "blobs")
    },
  ]
}

extension HostilePeer {
  /// Hands a blob in.
  func add(
    _ blob: RawBlob, token: BusUUID? = nil, segmentBytes: UInt64? = nil,
    payloadBytes: UInt64? = nil, keepMs: UInt64 = 0
  ) throws -> RawReply? {
    var frame = RawFrame(kind: 32)
    for byte in (token ?? blob.token).bytes { frame.number(UInt64(byte), 1) }
    frame.number(segmentBytes ?? UInt64(blob.memory.bytes), 8)
    frame.number(payloadBytes ?? UInt64(blob.payload), 8)
    frame.number(keepMs, 4)
    return try ask(frame, [blob.memory.descriptor])
  }
}
