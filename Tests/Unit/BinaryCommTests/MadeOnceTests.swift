import BinaryComm
import BusTestSupport
import BusWire
import Foundation
import Synchronization
import Testing

@Suite("A value that is made once, while tasks wait for it")
struct MadeOnceTests {
  /// All tasks of it on one thread: one that blocks holds up the others.
  private final class OneThread: TaskExecutor {
    private let queue = DispatchQueue(label: "one thread")

    func enqueue(_ job: consuming ExecutorJob) {
      let job = UnownedJob(job)
      queue.async { unsafe job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
  }

  /// What makes a value, when it may.
  private final class Maker: Sendable {
    private let allowed = DispatchSemaphore(value: 0)
    private let count = Atomic(0)
    var calls: Int { count.load(ordering: .acquiring) }

    func allow() { allowed.signal() }

    /// The number of the call, or an error in place of the first.
    func make(failsFirst: Bool = false) throws(BusError) -> Int {
      let call = count.add(1, ordering: .acquiringAndReleasing).newValue
      allowed.wait()
      if failsFirst, call == 1 { throw .noRouter("not yet") }
      return call
    }
  }

  private static func task(
    _ made: MadeOnce<Int>, on executor: any TaskExecutor = OwnThreads.shared,
    _ make: @escaping @Sendable () throws(BusError) -> Int
  ) -> Task<Result<Int, BusError>, Never> {
    Task(executorPreference: executor) {
      do throws(BusError) {
        return .success(try await made.value(make))
      } catch {
        return .failure(error)
      }
    }
  }

  @Test("nobody who waits holds up the thread of the tasks")
  func suspends() async {
    await Watchdog.bounding("waiting for a value", seconds: 60) {
      let (made, maker, thread) = (MadeOnce<Int>(), Maker(), OneThread())
      let waiting = (0..<3).map { _ in
        Self.task(made, on: thread) { () throws(BusError) in try maker.make() }
      }
      // Behind them, on the thread that they wait on.
      let other = Task(executorPreference: thread) { maker.allow() }
      await other.value
      for task in waiting { #expect(await task.value == .success(1)) }
      #expect(maker.calls == 1)
    }
  }

  @Test("what could not be made is told to whoever waited, and made for whoever asks next")
  func again() async {
    await Watchdog.bounding("making a value again", seconds: 60) {
      let (made, maker) = (MadeOnce<Int>(), Maker())
      maker.allow()
      maker.allow()
      let make: @Sendable () throws(BusError) -> Int = { () throws(BusError) in
        try maker.make(failsFirst: true)
      }
      #expect(await Self.task(made, make).value == .failure(.noRouter("not yet")))
      #expect(await Self.task(made, make).value == .success(2))
      #expect(await Self.task(made, make).value == .success(2))
    }
  }

  @Test("a cancelled task waits no longer, and the value is there for the next one")
  func cancelled() async {
    await Watchdog.bounding("a cancelled wait for a value", seconds: 60) {
      let (made, maker) = (MadeOnce<Int>(), Maker())
      let task = Self.task(made) { () throws(BusError) in try maker.make() }
      await Self.begun(maker)
      task.cancel()
      guard case .failure(let error) = await task.value else {
        Issue.record("a value that was not made yet")
        return
      }
      #expect(error.code == .cancelled)
      maker.allow()
      let next = Self.task(made) { () throws(BusError) in try maker.make() }
      #expect(await next.value == .success(1))
    }
  }

  @Test("closed while it is made, it is nobody's: who waits is told, and who asks later")
  func closed() async {
    await Watchdog.bounding("closing while a value is made", seconds: 60) {
      let (made, maker) = (MadeOnce<Int>(), Maker())
      let task = Self.task(made) { () throws(BusError) in try maker.make() }
      await Self.begun(maker)
      let why = BusError.closed("over")
      #expect(made.close(why) == nil)
      #expect(await task.value == .failure(why))
      maker.allow()
      let late = Self.task(made) { () throws(BusError) in try maker.make() }
      #expect(await late.value == .failure(why))
      #expect(maker.calls == 1 && made.close(why) == nil)
    }
  }

  @Test("closed after it was made, it is handed back")
  func closedLater() async {
    await Watchdog.bounding("closing a value", seconds: 60) {
      let made = MadeOnce<Int>()
      let task = Self.task(made) { () throws(BusError) in 7 }
      #expect(await task.value == .success(7))
      #expect(made.close(.closed("over")) == 7)
    }
  }

  /// Suspends until a value is being made.
  private static func begun(_ maker: Maker) async {
    while maker.calls == 0 { await rest(milliseconds: 1) }
  }
}
