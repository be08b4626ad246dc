import CBusPlatform
import Glibc

/// Threads for calls that may wait for others, which the router's loop never does.
public enum DetachedThread {
  private final class Body: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  /// Starts a thread that nobody waits for; false when the kernel refuses one.
  public static func start(_ body: @escaping @Sendable () -> Void) -> Bool {
    let held = unsafe Unmanaged.passRetained(Body(body))
    let result = unsafe plat_start_thread(
      { raw in
        guard let raw = unsafe raw else { return nil }
        unsafe Unmanaged<Body>.fromOpaque(raw).takeRetainedValue().run()
        return nil
      }, held.toOpaque())
    if result != 0 { unsafe held.release() }
    return result == 0
  }
}
