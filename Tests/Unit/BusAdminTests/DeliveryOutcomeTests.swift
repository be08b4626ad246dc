import BusAdmin
import Testing

@Suite("What became of a message, by the router's row about its reader")
struct DeliveryOutcomeTests {
  private static func word(
    of number: UInt64, start: UInt64, received: UInt64, gaps: UInt64 = 0
  ) -> String {
    let row = ["start": "\(start)", "received": "\(received)", "gaps": "\(gaps)"]
    return DeliveryOutcome(of: number, row).word
  }

  @Test("says where the message lies")
  func words() {
    #expect(Self.word(of: 4, start: 5, received: 10) == "not for it")
    #expect(Self.word(of: 5, start: 5, received: 10) == "delivered")
    #expect(Self.word(of: 14, start: 5, received: 10) == "delivered")
    #expect(Self.word(of: 15, start: 5, received: 10) == "pending")
    #expect(Self.word(of: 15, start: 5, received: 10, gaps: 1) == "lost or delivered")
    let evicted = DeliveryOutcome(of: 0, ["state": "evicted"])
    #expect(evicted.word == "lost or delivered" && evicted.why.contains("evicted"))
    #expect(DeliveryOutcome(of: 0, ["state": "attached", "start": "-1"]).word == "pending")
  }

  @Test("of a reader of the newest messages the cursor says where it is, not its counts")
  func latest() {
    func word(_ number: UInt64, behind: Int, gaps: Int = 0) -> String {
      let row = [
        "mode": "latest", "start": "1", "received": "1", "gaps": "\(gaps)",
        "behind_bytes": "\(behind)",
      ]
      return DeliveryOutcome(of: number, row).word
    }
    #expect(word(0, behind: 0) == "not for it")
    #expect(word(299, behind: 0) == "delivered or replaced")
    #expect(word(1, behind: 640) == "delivered or replaced")
    #expect(word(299, behind: 640) == "pending or replaced")
    #expect(word(299, behind: 0, gaps: 2) == "lost, delivered or replaced")
  }

  @Test("of a reader with a narrow pattern it is not known whether a message was for it")
  func filtered() {
    let row = ["mode": "lossy", "start": "0", "received": "10", "gaps": "0", "behind_bytes": "0"]
    let narrow = DeliveryOutcome(of: 3, row, takesAll: false)
    #expect(narrow.word == "delivered or not wanted" && narrow.why.contains("passed over"))
    #expect(DeliveryOutcome(of: 3, row).word == "delivered")
  }

  @Test("numbers that cannot be true do no harm")
  func hostile() {
    let some: [UInt64] = [0, 1, 40, 1 << 63, .max - 1, .max]
    for start in some {
      for received in some {
        for gaps in some {
          for number in some {
            let word = Self.word(of: number, start: start, received: received, gaps: gaps)
            #expect((word == "not for it") == (number < start))
          }
        }
      }
    }
    #expect(Self.word(of: .max, start: .max, received: 40) == "pending")
    #expect(Self.word(of: 7, start: 1, received: .max) == "delivered")
  }
}
