import BinaryComm
import BusLog
import BusTestSupport
import BusWire
import CBusPlatform
import Glibc
import ProcessSupport
import Testing

@Suite("A sleeping reader is woken", .serialized)
struct SleepingReaderTests {
  @Test("two hundred times by a publisher that pauses")
  func wakeUps() throws { try crossAndWake() }

  @Test("without the kernel's barrier on all threads")
  func withoutBarrier() async {
    await #expect(processExitsWith: .success) { try crossAndWake(without: PLAT_NO_MEMBARRIER) }
  }

  @Test("without waits on several words")
  func withoutWaits() async {
    await #expect(processExitsWith: .success) { try crossAndWake(without: PLAT_NO_FUTEX_WAITV) }
  }

  @Test("without seals against execution")
  func withoutSeal() async {
    await #expect(processExitsWith: .success) { try crossAndWake(without: PLAT_NO_NOEXEC_SEAL) }
  }

  @Test("without a counter that serves as clock")
  func withoutCounter() async {
    await #expect(processExitsWith: .success) { try crossAndWake(without: PLAT_NO_TSC) }
  }

  @Test("without any of them")
  func withoutAny() async {
    await #expect(processExitsWith: .success) {
      try crossAndWake(
        without: PLAT_NO_MEMBARRIER | PLAT_NO_FUTEX_WAITV | PLAT_NO_NOEXEC_SEAL | PLAT_NO_TSC)
    }
  }

  @Test("never where memory files are refused: register says what is missing")
  func withoutMemory() async {
    await #expect(processExitsWith: .success) {
      plat_forbid(PLAT_NO_MEMFD)
      let bus = try ClientBus()
      let error = failure { () throws(BusError) in
        _ = try Bus.connect(to: bus.directory).register("writer")
      }
      try expect(error?.code == .resourceExhausted, "register threw \(String(describing: error))")
      try expect(error?.detail.contains("memfd") == true, "unclear: \(error?.detail ?? "")")
    }
  }
}

/// What a child process ends with when it did not see what it should.
private struct Unexpected: Error {
  let what: String
}

private func expect(_ holds: Bool, _ what: String) throws {
  guard !holds else { return }
  print("child process: \(what)")
  throw Unexpected(what: what)
}

/// Two hundred messages, each to a reader that had time to fall asleep, in a process without some
/// features of the kernel; then many at once.
private func crossAndWake(without features: UInt32 = 0) throws {
  if features != 0 { plat_forbid(features) }
  try expect(plat_forbidden() & features == features, "the features are still there")
  try Watchdog.bounding("sleeping reader without \(features)", seconds: 120) {
    let bus = try ClientBus()
    let writer = try bus.agent("writer")
    let listener = try bus.agent("listener")
    var reader = try listener.reader("ticks", mode: .lossless, wait: .sleep)
    let worker = Worker {
      var publisher = try writer.publisher(on: "ticks")
      for value in 0..<200 {
        usleep(2000)
        try publisher.publish("ticks", numbered(value))
      }
      for value in 200..<20_200 { try publisher.publish("ticks", numbered(value)) }
      publisher.close()
      return 20_200
    }
    var next = 0
    var wrong = 0
    while reader.statistics.ended == 0 {
      let woken = try reader.wait(timeout: .seconds(30))
      try expect(woken || reader.statistics.ended > 0, "no wake-up for message \(next)")
      _ = try reader.poll { message in
        if number(message.payload) != next { wrong += 1 }
        next += 1
      }
    }
    let sent = try worker.join()
    try expect(next == sent && wrong == 0, "\(next) of \(sent) messages, \(wrong) out of order")
    try expect(reader.statistics.forged == 0, "forged")
  }
}
