import BinaryComm
import BusTestSupport
import Synchronization
import Testing

@Suite("The bounded buffer")
struct BoundedBufferTests {
  @Test("elements come out in the order in which they went in, whatever is taken between")
  func order() {
    var random = Seed.announced(for: "the bounded queue").generator()
    var queue = BoundedQueue<Int>(room: 40, bytesMax: 1000)
    var model: [(element: Int, bytes: Int)] = []
    for number in 0..<20_000 {
      let bytes = Int.random(in: 0..<80, using: &random)
      switch Int.random(in: 0..<9, using: &random) {
      case 0..<5:
        let hasRoom = model.count < 40 && model.reduce(0) { $0 + $1.bytes } < 1000
        let isTaken = queue.append(number, bytes: bytes)
        #expect(isTaken == hasRoom)
        if hasRoom { model.append((number, bytes)) }
      case 5:
        let isOdd = { (element: Int) in element % 2 == 1 }
        queue.removeAll(where: isOdd)
        model.removeAll { isOdd($0.element) }
      case 6 where number % 50 == 0:
        let all = queue.drainAll()
        #expect(all == model.map(\.element))
        model = []
      default:
        let first = queue.popFirst()
        #expect(first == model.first?.element)
        if !model.isEmpty { model.removeFirst() }
      }
      #expect(queue.count == model.count && queue.bytes == model.reduce(0) { $0 + $1.bytes })
    }
  }

  @Test("it is full at so many elements, or when so many bytes wait, the last not counted")
  func bounds() async throws {
    let few = BoundedBuffer<[UInt8]>(room: 2, bytesMax: 1000) { $0.count }
    #expect(few.put([1]) == .taken && few.free == 1 && few.put([]) == .taken)
    #expect(few.free == 0 && few.put([]) == .full)
    let large = BoundedBuffer<[UInt8]>(room: 100, bytesMax: 1000) { $0.count }
    #expect(large.put([UInt8](repeating: 0, count: 999)) == .taken && large.free == 99)
    #expect(large.put([UInt8](repeating: 0, count: 5000)) == .taken && large.free == 0)
    #expect(large.put([]) == .full)
    #expect(try await large.next()?.count == 999)
    #expect(large.put([]) == .full, "5000 bytes wait")
    #expect(try await large.next()?.count == 5000)
    #expect(large.put([1]) == .taken && large.free == 99)
  }

  @Test("elements that were asked for are taken, and then nothing more until they are gone")
  func batch() async throws {
    let buffer = BoundedBuffer<[UInt8]>(room: 4, bytesMax: 10) { $0.count }
    buffer.put(all: [[1, 2], [UInt8](repeating: 3, count: 20), [4]])
    #expect(buffer.free == 0 && buffer.put([]) == .full)
    #expect(try await buffer.next() == [1, 2])
    #expect(buffer.free == 0)
    _ = try await buffer.next()
    #expect(buffer.free == 3)
    #expect(try await buffer.next() == [4])
    buffer.end()
    buffer.put(all: [[5]])
    #expect(try await buffer.next() == nil && buffer.free == 0)
  }

  @Test("whoever fills it is told of room exactly when it was full")
  func room() async throws {
    let told = Counted()
    let buffer = BoundedBuffer<Int>(room: 2, bytesMax: 100, onRoom: { told.add() }) { $0 }
    #expect(buffer.put(1) == .taken)
    _ = try await buffer.next()
    #expect(told.count == 0)
    #expect(buffer.put(1) == .taken && buffer.put(1) == .taken)
    _ = try await buffer.next()
    #expect(told.count == 1)
    _ = try await buffer.next()
    #expect(told.count == 1)
    #expect(buffer.put(100) == .taken)
    _ = try await buffer.next()
    #expect(told.count == 2)
    buffer.end()
    _ = try await buffer.next()
    #expect(told.count == 2)
  }

  @Test("what was put in before the end is handed out, then the first error, each time")
  func problem() async throws {
    let buffer = BoundedBuffer<Int>(room: 9, bytesMax: 9) { _ in 1 }
    #expect(buffer.put(1) == .taken && buffer.put(2) == .taken)
    buffer.end(.evicted("too slow"))
    buffer.end(.closed("later"))
    buffer.end()
    #expect(buffer.put(3) == .ended && buffer.isEnded)
    #expect(try await buffer.next() == 1)
    #expect(try await buffer.next() == 2)
    for _ in 0..<2 {
      await #expect(throws: BusError.evicted("too slow")) { try await buffer.next() }
    }
    let whole = BoundedBuffer<Int>(room: 9, bytesMax: 9) { _ in 1 }
    #expect(whole.put(1, isLast: true) == .taken && whole.put(2) == .ended)
    whole.end(.closed("it had ended"))
    #expect(try await whole.next() == 1)
    #expect(try await whole.next() == nil)
  }

  @Test("a task that waits is woken by an element, by the end, and by its being cancelled")
  func waiters() async throws {
    let buffer = BoundedBuffer<Int>(room: 9, bytesMax: 9) { _ in 1 }
    let first = Task(executorPreference: OwnThreads.shared) { try await buffer.next() }
    await rest(milliseconds: 1)
    #expect(buffer.put(1) == .taken)
    #expect(try await first.value == 1)
    let cancelled = Task(executorPreference: OwnThreads.shared) { try await buffer.next() }
    let patient = Task(executorPreference: OwnThreads.shared) { try await buffer.next() }
    await rest(milliseconds: 1)
    cancelled.cancel()
    #expect(try await cancelled.value == nil)
    // The one that was not cancelled waits on, and the element is its.
    #expect(buffer.put(2) == .taken)
    #expect(try await patient.value == 2)
    let last = Task(executorPreference: OwnThreads.shared) { try await buffer.next() }
    await rest(milliseconds: 1)
    buffer.end(.closed("over"))
    await #expect(throws: BusError.closed("over")) { try await last.value }
  }

  @Test("a cancelled task is still given what is there")
  func cancelledEarly() async throws {
    let buffer = BoundedBuffer<Int>(room: 9, bytesMax: 9) { _ in 1 }
    #expect(buffer.put(7) == .taken)
    let task = Task(executorPreference: OwnThreads.shared) {
      while !Task.isCancelled { await rest(milliseconds: 1) }
      return [try await buffer.next(), try await buffer.next()]
    }
    task.cancel()
    #expect(try await task.value == [7, nil])
  }

  @Test("each element goes to one of many tasks")
  func sharing() async throws {
    let buffer = BoundedBuffer<Int>(room: 50, bytesMax: 1 << 20) { _ in 1 }
    let tasks = (0..<8).map { _ in
      Task(executorPreference: OwnThreads.shared) {
        var mine: [Int] = []
        while let element = try await buffer.next() { mine.append(element) }
        return mine
      }
    }
    var number = 0
    while number < 10_000 {
      if buffer.put(number) == .taken { number += 1 } else { await rest(milliseconds: 1) }
    }
    buffer.end()
    var all: [Int] = []
    for task in tasks {
      let mine = try await task.value
      #expect(mine == mine.sorted())
      all += mine
    }
    #expect(all.sorted() == Array(0..<10_000))
  }

  private final class Counted: Sendable {
    private let value = Mutex(0)
    var count: Int { value.withLock { $0 } }
    func add() { value.withLock { $0 += 1 } }
  }
}
