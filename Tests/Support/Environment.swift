import Foundation

/// The value of an environment variable; nil when it is not set.
public func environmentValue(_ name: String) -> String? {
  ProcessInfo.processInfo.environment[name]
}

/// Writes one line to standard error, past any buffer, so that it is seen even when the process
/// ends next.
public func say(_ line: String) {
  writeAll(Array((line + "\n").utf8), to: 2)
}

/// Writes all bytes; false when the other end is gone.
@discardableResult
func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
  var done = 0
  while done < bytes.count {
    let count = unsafe bytes.withUnsafeBytes { (all: UnsafeRawBufferPointer) -> Int in
      guard let base = all.baseAddress else { return 0 }
      return unsafe write(descriptor, base + done, all.count - done)
    }
    if count < 0 && errno == EINTR { continue }
    guard count > 0 else { return false }
    done += count
  }
  return true
}

/// Starts a detached thread.
func startThread(_ body: @escaping @Sendable () -> Void) {
  final class Box: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }
  let box = unsafe Unmanaged.passRetained(Box(body)).toOpaque()
  var thread = pthread_t()
  let error = unsafe pthread_create(
    &thread, nil,
    { (raw: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? in
      if let raw = unsafe raw {
        unsafe Unmanaged<Box>.fromOpaque(raw).takeRetainedValue().body()
      }
      return nil
    }, box)
  guard error == 0 else {
    say("no thread for a test helper: error \(error)")
    exit(71)
  }
  pthread_detach(thread)
}
