import BusMemory
import BusSystem
import CBusPlatform
import Glibc

/// Small questions to the operating system.
enum System {
  /// The path of the running program.
  static var programPath: String { ProcessEnvironment.programPath ?? "bcs" }

  /// Which of the words behind the program's name is not UTF-8, from 1 on; nil: all are.
  ///
  /// Swift's own list of them puts other characters in the place of such bytes, without a word.
  static var wrongArgument: Int? {
    let words = unsafe CommandLine.unsafeArgv
    for place in 1..<max(1, Int(CommandLine.argc)) {
      guard let word = unsafe words[place] else { return nil }
      if unsafe String(validatingCString: word) == nil { return place }
    }
    return nil
  }

  /// Nanoseconds since the Unix epoch.
  static var unixNs: UInt64 { HostClock.kernelUnixNs() }

  /// Nanoseconds of a clock that never steps.
  static var monotonicNs: UInt64 { HostClock.monotonicNs() }

  /// Sleeps; a signal ends it early.
  static func sleep(_ duration: Duration) {
    let (seconds, attoseconds) = duration.components
    guard duration > .zero else { return }
    let microseconds = seconds * 1_000_000 + attoseconds / 1_000_000_000_000
    usleep(UInt32(clamping: max(1, microseconds)))
  }

  /// A time as ISO 8601 in UTC with nanoseconds, as in `2026-01-31T12:00:00.000000001Z`.
  static func iso(_ unixNs: UInt64) -> String {
    var seconds = time_t(unixNs / 1_000_000_000)
    var parts = unsafe tm()
    _ = unsafe gmtime_r(&seconds, &parts)
    let date = unsafe [Int(parts.tm_year) + 1900, Int(parts.tm_mon) + 1, Int(parts.tm_mday)]
    let time = unsafe [parts.tm_hour, parts.tm_min, parts.tm_sec].map { padded(Int($0), 2) }
    let fraction = padded(Int(unixNs % 1_000_000_000), 9)
    return date.map { padded($0, 2) }.joined(separator: "-") + "T"
      + time.joined(separator: ":") + "." + fraction + "Z"
  }

  /// A time as ISO 8601 in the time zone of this process, as in
  /// `2026-01-31T13:00:00.000000001+01:00`.
  static func isoLocal(_ unixNs: UInt64) -> String {
    var seconds = time_t(unixNs / 1_000_000_000)
    var parts = unsafe tm()
    _ = unsafe localtime_r(&seconds, &parts)
    let offset = unsafe parts.tm_gmtoff
    let minutes = abs(offset) / 60
    let zone = "\(offset < 0 ? "-" : "+")\(padded(minutes / 60, 2)):\(padded(minutes % 60, 2))"
    // The digits of that zone are those of UTC at a moment moved by its offset.
    let moved = UInt64(bitPattern: Int64(bitPattern: unixNs) &+ Int64(offset) * 1_000_000_000)
    return iso(moved).dropLast() + zone
  }

  private static func padded(_ number: Int, _ digits: Int) -> String {
    let text = String(number)
    return String(repeating: "0", count: max(0, digits - text.count)) + text
  }
}

/// A descriptor's bytes, read in pieces.
enum Input {
  /// At most `room` bytes; empty at the end of the input.
  ///
  /// - Throws: `Interrupted` when a signal asked to end, `Failure` when the system refuses.
  static func read(_ descriptor: Int32, room: Int) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: room)
    while true {
      try Interrupt.check()
      let (count, code) = Interrupt.waiting {
        unsafe bytes.withUnsafeMutableBytes { buffer in
          unsafe Glibc.read(descriptor, buffer.baseAddress, room)
        }
      }
      if count < 0 && code == EINTR { continue }
      guard count >= 0 else {
        throw Failure(
          "Reading failed: \(Errno.text(code)).", remedy: "Check the input.", name: "SYSTEM")
      }
      bytes.removeLast(room - count)
      return bytes
    }
  }

  /// Everything up to the end, at most `limit` bytes.
  ///
  /// - Throws: as `read`, and when there is more than `limit`.
  static func readAll(
    _ descriptor: Int32, limit: Int, remedy: String = "Send it with --blob, or --chunk."
  ) throws -> [UInt8] {
    var all: [UInt8] = []
    while true {
      let piece = try read(descriptor, room: 1 << 16)
      if piece.isEmpty { return all }
      all += piece
      guard all.count <= limit else {
        throw Failure(
          "The input has more than \(limit) bytes.",
          remedy: remedy, name: "PAYLOAD_TOO_LARGE")
      }
    }
  }

  /// The bytes of a file.
  static func file(_ path: String, limit: Int) throws -> [UInt8] {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw Failure(
        "The file \(path) cannot be opened: \(Errno.text(errno)).",
        remedy: "Check the path and its permissions.", name: "SYSTEM")
    }
    defer { close(descriptor) }
    return try readAll(descriptor, limit: limit)
  }
}
