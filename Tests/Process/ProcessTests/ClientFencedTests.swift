import BusTestSupport
import Foundation
import Glibc
import Testing

@Suite("An agent that was declared dead while it lives on")
struct ClientFencedTests {
  @Test("it is closed with the cause, and its program ends with it")
  func fenced() throws {
    try Watchdog.bounding("a fenced agent", seconds: 120) {
      var bus = try ClientBus()
      let child = try Child.start(
        try Programs.path("bcs"), ["sub", "alerts.>", "--dir", bus.directory])
      while child.isRunning, !child.stderrSoFar.contains("subscribed to") { breathe() }
      #expect(child.stop())
      try bus.endRouter(SIGKILL)
      try bus.startRouter(["--grace", "0.1"])
      // Until the new router has stopped waiting for agents of the former one.
      usleep(1_500_000)
      #expect(child.signal(SIGCONT))
      let result = try child.wait(timeout: .seconds(60))
      #expect(result.exit == .code(1) && result.stderr.contains("FENCED"), "\(result)")
    }
  }
}
