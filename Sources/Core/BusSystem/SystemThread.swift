import CBusPlatform
import Glibc

/// Threads of this process: small stack, no signals.
package enum SystemThread {
  private final class Body: Sendable {
    let name: String?
    let run: @Sendable () -> Void
    init(_ name: String?, _ run: @escaping @Sendable () -> Void) {
      self.name = name
      self.run = run
    }
  }

  /// Starts a thread that nobody waits for; false when the kernel refuses one.
  ///
  /// Of the name the kernel shows the first 15 bytes; without one it is that of the process.
  @discardableResult
  package static func start(
    _ name: String? = nil, _ body: @escaping @Sendable () -> Void
  ) -> Bool {
    let held = unsafe Unmanaged.passRetained(Body(name, body))
    let result = unsafe plat_start_thread(
      { raw in
        guard let raw = unsafe raw else { return nil }
        let body = unsafe Unmanaged<Body>.fromOpaque(raw).takeRetainedValue()
        if let name = body.name { unsafe plat_name_thread(String(name.prefix(15))) }
        body.run()
        return nil
      }, held.toOpaque())
    if result != 0 { unsafe held.release() }
    return result == 0
  }

  /// Sleeps, for waits that no event ends; a signal ends it early.
  package static func sleep(microseconds: UInt32) { usleep(microseconds) }

  /// The same by the millisecond.
  package static func sleep(milliseconds: UInt32) { usleep(milliseconds * 1000) }
}
