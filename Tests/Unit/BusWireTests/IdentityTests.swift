import BusWire
import CBusABI
import Testing

@Suite("UUIDs and names of agents")
struct IdentityTests {
  @Test("version 5 UUIDs are those of RFC 9562 and of other implementations")
  func version5() throws {
    for vector in try GoldenVector.group("uuid5") {
      let namespace = try vector.uuid("namespace")
      let name = try vector.text("name")
      let uuid = BusUUID(name: name, namespace: namespace)
      #expect(uuid.description == (try vector.text("uuid")))
      #expect(uuid.bytes == vector.bytes)
      if namespace == .agentNamespace { #expect(BusUUID(agentName: name) == uuid) }
    }
    #expect(BusUUID.agentNamespace.description == "c74931eb-3db2-479a-902b-0441abb9812d")
  }

  @Test("SHA-1 gives the digests of FIPS 180, over every way the padding can fall")
  func sha1() throws {
    for vector in try GoldenVector.group("sha1") {
      let digest = SHA1.digest(vector.bytes).flatMap { word in
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: word >> UInt32($0)) }
      }
      #expect(digest == (try vector.hex("digest")), "\(vector.name)")
    }
  }

  @Test("a UUID goes through text and bytes unchanged")
  func roundTrip() throws {
    var generator = SeededGenerator(seed: 0x5EED_0003)
    for _ in 0..<1_000 {
      let uuid = BusUUID(high: generator.next(), low: generator.next())
      #expect(BusUUID(uuid.description) == uuid)
      #expect(BusUUID(uuid.description.uppercased()) == uuid)
      #expect(BusUUID(high: uuid.high, low: uuid.low).bytes == uuid.bytes)
    }
    for bad in [
      "", "c74931eb3db2479a902b0441abb9812d", "c74931eb-3db2-479a-902b-0441abb9812",
      "c74931eb-3db2-479a-902b-0441abb9812g", "c74931eb-3db2-479a-902b00441abb9812d",
      "{c74931eb-3db2-479a-902b-0441abb9812d}", "c74931eb-3db2-479a-902b-0441abb9812d ",
    ] {
      #expect(BusUUID(bad) == nil, "\(bad)")
    }
  }

  @Test("a topic id is not an agent, and no name's UUID is a topic id")
  func topicId() {
    #expect(BusUUID(topicId: 7).topicId == 7)
    #expect(!BusUUID(topicId: .max).isAgent)
    #expect(BusUUID(agentName: "director").isAgent)
    #expect(BusUUID(agentName: "director").topicId == nil)
    #expect(
      BusUUID(topicId: 0x0102).bytes == [UInt8](repeating: 0, count: 8) + [2, 1, 0, 0, 0, 0, 0, 0])
  }

  @Test("random UUIDs are version 4 and differ")
  func random() {
    let uuids = (0..<100).map { _ in BusUUID.random() }
    #expect(Set(uuids).count == 100)
    for uuid in uuids {
      #expect(uuid.bytes[6] >> 4 == 4)
      #expect(uuid.bytes[8] >> 6 == 2)
    }
  }

  @Test(
    "good names pass",
    arguments: [
      "a", "director", "cli.pub.4711", "Agent_1-b", "0", "bcsx.y", "x.bcs", "-",
      String(repeating: "n", count: 63),
    ])
  func goodName(name: String) throws {
    try AgentName.check(name)
  }

  @Test("each bad name gives its error")
  func badNames() {
    let long = String(repeating: "n", count: 64)
    let deep = [String](repeating: "t", count: 17).joined(separator: ".")
    let cases: [(String, AgentNameError)] = [
      ("", .empty), (long, .tooLong(bytes: 64)), (".a", .emptyToken(".a")),
      ("a.", .emptyToken("a.")), ("a..b", .emptyToken("a..b")), (".", .emptyToken(".")),
      ("a.*", .wildcard("*")), ("a.>", .wildcard(">")), ("a b", .character(" ")),
      ("größe", .character("ö")), ("a/b", .character("/")), ("a\n", .character("\n")),
      ("a\u{301}", .character("a\u{301}")), ("a\0", .character("\0")),
      (deep, .tooManyTokens(17)), ("bcs", .reserved("bcs")),
      ("bcs.router", .reserved("bcs.router")),
    ]
    for (name, error) in cases {
      #expect(throws: error) { try AgentName.check(name) }
      #expect(error.description.count > 20)
      #expect(!error.description.contains("\n") && !error.description.contains("\0"))
    }
  }
}
