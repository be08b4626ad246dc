import BinaryComm
import BusWire
import Testing

@Suite("Names, and who answers them")
struct NameResolverTests {
  private typealias Resolver = NameResolver<String>

  private static func resolver(activeMax: Int = 512) -> Resolver {
    Resolver(activeMax: activeMax, waitingMax: 2, waitingBytesMax: 10)
  }

  private static func name(_ text: String, _ group: ServiceGroup = .service) -> PeerName {
    PeerName(group: group, text: text)
  }

  /// A name that these answer, as the router says at an ordinary time.
  private static func known(
    _ text: String, _ peers: [Int], _ names: inout Resolver
  ) -> Int {
    let at = names.add(name(text))
    names.asked(at, isUnderway: true)
    say(at: at, peers, &names)
    return at
  }

  /// The router says who answers a name, and that is a word to go by.
  private static func say(
    at place: Int, _ peers: [Int], isProvisional: Bool = false,
    first: (Int) -> Int = { _ in 0 }, _ names: inout Resolver
  ) {
    let isWord = names.answer(place, by: peers, isProvisional: isProvisional, first: first)
    #expect(isWord)
  }

  @Test("a name is the same by group and text, and is asked for when there is a router")
  func asking() {
    var names = Self.resolver()
    let service = names.add(Self.name("a"))
    let team = names.add(Self.name("a", .team))
    #expect(names.place(of: Self.name("a")) == service)
    #expect(names.place(of: Self.name("a", .team)) == team)
    #expect(names.place(of: Self.name("b")) == nil)
    #expect(names.unasked == [service, team])
    names.asked(service, isUnderway: true)
    names.asked(team, isUnderway: false)
    #expect(names.unasked == [team])
    #expect(!names.isResolved(service) && names.isNobodyKnown(service))
  }

  @Test("that nobody answers is known when the router has said of all, and not before")
  func nobody() throws {
    var names = Self.resolver()
    let at = names.add(Self.name("a"))
    names.asked(at, isUnderway: true)
    #expect(try names.resolved(at) == [])
    let early = names.answer(at, by: [], isProvisional: true) { _ in 0 }
    #expect(!early && names.isProvisional(at))
    #expect(try names.resolved(at) == [])
    let late = names.answer(at, by: [], isProvisional: false) { _ in 0 }
    #expect(late && names.knowsAll(at) { _ in nil })
    let why = #expect(throws: BusError.self) { try names.resolved(at) }
    #expect(why?.code == .noResponders)
  }

  @Test("while agents come back nobody is forgotten, and who was known whole stays so")
  func provisional() throws {
    var names = Self.resolver()
    let at = Self.known("a", [1, 2, 3], &names)
    let isWord = names.answer(at, by: [3, 4], isProvisional: true) { _ in 0 }
    #expect(isWord && names.peers(at) == [3, 4, 1, 2])
    #expect(names.knowsAll(at) { _ in nil })
    Self.say(at: at, [4], &names)
    #expect(try names.resolved(at) == [4])
  }

  @Test("an agent alone answers its own name, whatever is still to come")
  func ownName() {
    var names = Self.resolver()
    let at = names.add(Self.name("one"))
    Self.say(at: at, [7], isProvisional: true, &names)
    #expect(names.knowsAll(at) { $0 == 7 ? "one" : nil })
    #expect(!names.knowsAll(at) { _ in "another" })
    let team = names.add(Self.name("one", .team))
    Self.say(at: team, [7], isProvisional: true, &names)
    #expect(!names.knowsAll(team) { _ in "one" })
  }

  @Test("who is struck answers nothing until the router says so again")
  func struck() throws {
    var names = Self.resolver()
    let (one, both) = (Self.known("a", [1], &names), Self.known("b", [1, 2], &names))
    names.strike(1)
    #expect(names.peers(one) == [] && names.peers(both) == [2] && names.allPeers == [2])
    Self.say(at: one, [1], &names)
    #expect(try names.resolved(one) == [1])
  }

  @Test("each has its turn, from the one that was drawn, also when others come and go")
  func round() {
    var names = Self.resolver()
    let at = names.add(Self.name("a"))
    Self.say(at: at, [5, 6, 7], first: { $0 - 1 }, &names)
    let first = (0..<4).map { _ in names.nextInRound(at) }
    #expect(first == [7, 5, 6, 7])
    Self.say(at: at, [5], &names)
    let second = (0..<2).map { _ in names.nextInRound(at) }
    #expect(second == [5, 5] && names.peerCount(at) == 1)
  }

  @Test("the names unused for longest make room, and are asked for when they are used again")
  func room() {
    var names = Self.resolver(activeMax: 4)
    let all = (0..<6).map { Self.known("n\($0)", [$0], &names) }
    for at in all.reversed() {
      let need = names.use(at)
      #expect(need == .nothing)
    }
    names.keep("waits", bytes: 1, for: all[5])
    let forgotten = names.forgetUnused()
    #expect(forgotten.map(\.text) == ["n4", "n3", "n2"])
    #expect(names.wanted(Self.name("n4")) == nil && names.wanted(Self.name("n5")) == all[5])
    let again = names.use(all[4])
    #expect(again == .asking)
    names.asked(all[4], isUnderway: true)
    #expect(names.wanted(Self.name("n4")) == all[4])
    let refused = names.refuse(Self.name("n0"), .resourceExhausted("full"))
    let last = names.use(all[0])
    #expect(refused == all[0] && last == .room)
  }

  @Test("what waits is bounded by number and bytes, and comes out in order")
  func waiting() {
    var names = Self.resolver()
    let at = names.add(Self.name("a"))
    #expect(names.isNothingWaiting && names.hasRoom(at) && names.hasMemory(at))
    names.keep("one", bytes: 4, for: at)
    #expect(names.hasRoom(at) && names.hasMemory(at))
    names.keep("two", bytes: 8, for: at)
    #expect(!names.hasRoom(at) && !names.hasMemory(at) && !names.isNothingWaiting)
    names.setWaitsForCredit(at, true)
    #expect(names.awaitsCredit && names.waitingForCredit == [at])
    let waiting = names.drainWaiting(at)
    #expect(waiting == ["one", "two"] && names.isNothingWaiting && names.hasMemory(at))
    names.setWaitsForCredit(at, false)
    #expect(!names.awaitsCredit && names.waitingForCredit.isEmpty)
  }
}
