import BinaryComm
import BusTestSupport
import CAllocationCount
import Testing

@Suite("Requests that wait for a handler")
struct RequestBacklogTests {
  private typealias Backlog = RequestBacklog<String, Int>

  private static func ticket(
    _ requester: String, _ id: UInt32, isUrgent: Bool = false, bytes: Int = 1,
    deadlineNs: UInt64? = nil
  ) -> Backlog.Ticket {
    Backlog.Ticket(
      of: requester, id: id, isUrgent: isUrgent, bytes: bytes, deadlineNs: deadlineNs)
  }

  private static func rest(of backlog: Backlog) -> [Int] {
    var backlog = backlog
    var all: [Int] = []
    while let next = backlog.popFirst() { all.append(next) }
    return all
  }

  @Test("urgent ones go first, and in a lane each requester in turn, its own in order")
  func turns() {
    Watchdog.bounding("turns of requests", seconds: 60) {
      var backlog = Backlog()
      for (number, requester) in ["a", "a", "a", "b", "c", "b"].enumerated() {
        let isKept = backlog.add(number, Self.ticket(requester, UInt32(number)))
        #expect(isKept)
      }
      for (number, requester) in [(10, "a"), (11, "a"), (12, "b")] {
        let isKept = backlog.add(
          number, Self.ticket(requester, UInt32(number), isUrgent: true))
        #expect(isKept)
      }
      #expect(Self.rest(of: backlog) == [10, 12, 11, 0, 3, 4, 1, 5, 2])
    }
  }

  @Test("one requester may have half, by number and by bytes, and leaves room for the next")
  func shares() {
    Watchdog.bounding("shares of requesters", seconds: 60) {
      var many = Backlog(requestsMax: 100, bytesMax: 1000)
      func held(_ backlog: inout Backlog, by requester: String, bytes: Int) -> Int {
        (0..<1000).count { number in
          backlog.add(0, Self.ticket(requester, UInt32(number), bytes: bytes))
        }
      }
      let (first, second) = (held(&many, by: "a", bytes: 0), held(&many, by: "b", bytes: 0))
      #expect(first == 50 && second == 25)
      #expect(many.hasRoom(for: "c") && !many.hasRoom(for: "a") && !many.hasRoom(for: "b"))
      var large = Backlog(requestsMax: 1000, bytesMax: 1000)
      let (half, quarter) = (held(&large, by: "a", bytes: 10), held(&large, by: "b", bytes: 10))
      #expect(half == 50 && quarter == 25 && large.bytes == 750)
      // One is always taken where anything is free, however large it is.
      let whole = held(&large, by: "c", bytes: 5000)
      #expect(whole == 1 && !large.hasRoom(for: "d"))
    }
  }

  @Test("what is over, taken back or of one that has gone is handed out once, and frees its place")
  func ends() {
    Watchdog.bounding("ends of requests", seconds: 60) {
      var backlog = Backlog()
      for number in 0..<6 {
        let deadline = number < 2 ? UInt64(10 + number) : nil
        let isKept = backlog.add(
          number,
          Self.ticket(
            number % 2 == 0 ? "a" : "b", UInt32(number), isUrgent: number == 4,
            deadlineNs: deadline))
        #expect(isKept)
      }
      #expect(backlog.expire(9) == [])
      #expect(backlog.expire(10) == [0])
      // The next look is a millisecond later.
      #expect(backlog.expire(11) == [])
      #expect(backlog.expire(1_000_010) == [1])
      #expect(backlog.remove(3, of: "a") == [], "it is another one's")
      #expect(backlog.remove(3, of: "b") == [3])
      #expect(backlog.removeAll { $0 == "a" }.sorted() == [2, 4])
      #expect(backlog.count == 1 && backlog.bytes == 1 && Self.rest(of: backlog) == [5])
      #expect(backlog.drainAll() == [5])
      #expect(backlog.isEmpty && backlog.bytes == 0 && backlog.hasRoom(for: "a"))
    }
  }

  @Test("an id that a requester has several times is all of its requests, and another's is none")
  func sameIds() {
    Watchdog.bounding("the same ids", seconds: 60) {
      var backlog = Backlog()
      for number in 0..<12 {
        let isKept = backlog.add(
          number, Self.ticket(number < 9 ? "a" : "b", UInt32(number % 3), isUrgent: number == 4))
        #expect(isKept)
      }
      // One of the middle goes first: the urgent one.
      #expect(backlog.popFirst() == 4 && backlog.popFirst() == 0)
      #expect(backlog.remove(1, of: "a") == [1, 7])
      #expect(backlog.remove(0, of: "a") == [3, 6] && backlog.remove(0, of: "a") == [])
      #expect(Self.rest(of: backlog) == [9, 2, 10, 5, 11, 8])
    }
  }

  @Test("one that takes back what it asks, again and again, has no more than one turn")
  func takenBack() {
    Watchdog.bounding("requests that are taken back", seconds: 60) {
      var backlog = Backlog()
      for round in 0..<1000 {
        let isKept = backlog.add(round, Self.ticket("a", UInt32(round)))
        #expect(isKept)
        if round < 998 { #expect(backlog.remove(UInt32(round), of: "a") == [round]) }
        if round == 500 {
          for number in [2000, 2001] {
            let isKept = backlog.add(number, Self.ticket("b", UInt32(number)))
            #expect(isKept)
          }
        }
      }
      #expect(Self.rest(of: backlog) == [2000, 998, 2001, 999])
    }
  }

  @Test("taking a request back allocates no more where a hundred times as many wait")
  func cost() {
    guard allocation_count() != .max else {
      print("cost of a cancel: 1 skipped: a sanitizer owns the heap")
      return
    }
    Watchdog.bounding("cost of a cancel", seconds: 60) {
      func allocations(waiting: Int) -> UInt64 {
        var backlog = Backlog(requestsMax: 4 * waiting, bytesMax: .max)
        for number in 0..<waiting {
          let isKept = backlog.add(number, Self.ticket("a", UInt32(number)))
          #expect(isKept)
        }
        let before = allocation_count()
        for number in 0..<100 { _ = backlog.remove(UInt32(number), of: "a") }
        let after = allocation_count()
        #expect(backlog.count == waiting - 100)
        return after - before
      }
      let (few, many) = (allocations(waiting: 300), allocations(waiting: 30_000))
      #expect(many <= few + 50, "\(few) of 300, \(many) of 30,000")
    }
  }

  @Test("nothing is lost, doubled or miscounted, whatever comes when")
  func interleavings() {
    Watchdog.bounding("interleavings of a backlog", seconds: 120) {
      var random = SplitMix64(seed: Seed.announced(for: "a backlog").value)
      for _ in 0..<200 {
        var backlog = Backlog(requestsMax: 20, bytesMax: 200)
        var there: [Int: (requester: String, bytes: Int, deadlineNs: UInt64)] = [:]
        for number in 0..<200 {
          var gone: [Int] = []
          let requester = ["a", "b", "c"].randomElement(using: &random) ?? "a"
          switch Int.random(in: 0..<8, using: &random) {
          case 0..<4:
            let bytes = Int.random(in: 0..<30, using: &random)
            let deadline = UInt64.random(in: 0..<400, using: &random) * 1_000_000
            let isKept = backlog.add(
              number,
              Self.ticket(
                requester, UInt32(number), isUrgent: Bool.random(using: &random), bytes: bytes,
                deadlineNs: deadline))
            if isKept { there[number] = (requester, bytes, deadline) }
          case 4: gone = backlog.popFirst().map { [$0] } ?? []
          case 5:
            gone = backlog.expire(UInt64(number) * 1_000_000)
            #expect(gone.allSatisfy { (there[$0]?.deadlineNs ?? .max) <= number * 1_000_000 })
          case 6:
            let id = UInt32(Int.random(in: 0...number, using: &random))
            gone = backlog.remove(id, of: requester)
            #expect(gone.allSatisfy { $0 == Int(id) && there[$0]?.requester == requester })
          default:
            guard Int.random(in: 0..<10, using: &random) == 0 else { continue }
            gone = backlog.removeAll { $0 == requester }
            #expect(Set(gone) == Set(there.filter { $0.value.requester == requester }.keys))
          }
          for request in gone {
            let entry = there.removeValue(forKey: request)
            #expect(entry != nil, "request \(request) was handed out twice")
          }
          #expect(backlog.count == there.count)
          #expect(backlog.bytes == there.values.reduce(0) { $0 + $1.bytes })
        }
        #expect(Set(Self.rest(of: backlog)) == Set(there.keys))
      }
    }
  }
}
