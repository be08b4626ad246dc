import BinaryComm
import BusSystem
import BusTestSupport
import Foundation
import Synchronization
import Testing

@Suite("An answer of the router and the deadline of whoever waits for it")
struct PendingReplyTests {
  /// Whether and how often the answer was acted on.
  private final class Deeds: Sendable {
    private let count = Atomic(0)
    var value: Int { count.load(ordering: .acquiring) }
    func add() { count.wrappingAdd(1, ordering: .releasing) }
  }

  private static let answer = PendingReply.Outcome.rows([["name": "a"]])

  private func isAnswer(_ outcome: PendingReply.Outcome?) -> Bool {
    if case .rows(let rows)? = outcome { rows == [["name": "a"]] } else { false }
  }

  @Test("an answer that is being acted on counts, however long its deadline is over")
  func beingApplied() {
    let began = DispatchSemaphore(value: 0)
    let goOn = DispatchSemaphore(value: 0)
    let ended = DispatchSemaphore(value: 0)
    let reply = PendingReply { (_: PendingReply.Outcome) in
      began.signal()
      goOn.wait()
    }
    Thread.detachNewThread {
      reply.finish(Self.answer)
      ended.signal()
    }
    began.wait()
    // The deed goes on while the wait below looks and finds its deadline over.
    Thread.detachNewThread {
      usleep(50_000)
      goOn.signal()
    }
    #expect(isAnswer(reply.wait(deadline: Deadline(ns: 1))), "a stream was opened for nobody")
    ended.wait()
  }

  @Test("an answer after its asker has gone is not acted on, and whoever brings it is told")
  func tooLate() {
    let deeds = Deeds()
    let reply = PendingReply { (_: PendingReply.Outcome) in deeds.add() }
    let outcome = reply.wait(deadline: Deadline(ns: 1))
    #expect(!isAnswer(outcome))
    #expect(!reply.finish(Self.answer))
    #expect(deeds.value == 0)
  }

  @Test("whichever comes first, both sides hold the same for what happened")
  func race() {
    for _ in 0..<2000 {
      let deeds = Deeds()
      let reply = PendingReply { (_: PendingReply.Outcome) in deeds.add() }
      let over = DispatchSemaphore(value: 0)
      let takings = Deeds()
      Thread.detachNewThread {
        if reply.finish(Self.answer) { takings.add() }
        over.signal()
      }
      let outcome = reply.wait(deadline: Deadline(ns: 1))
      over.wait()
      #expect(deeds.value == takings.value && isAnswer(outcome) == (takings.value == 1))
    }
  }
}
