import BusSystem
import CBusPlatform
import Glibc

/// Why a segment of shared memory could not be made or taken in.
public enum MemoryError: Error, Equatable, Sendable {
  /// A system call failed: its name and the positive error number.
  case system(call: String, errno: Int32)
  /// A descriptor that does not have all required seals: its owner could still change it under us.
  case unsealed(seals: Int32)
  /// A descriptor that is not a memory file of the announced size.
  case wrongSize(announced: UInt64, found: UInt64)
  /// A memory file with pages that are not there, or with memory behind its end.
  case holes(bytes: UInt64, allocated: UInt64)
  /// A descriptor that is not a regular memory file at all.
  case notMemory
  /// Contents that break the layout: which field, and what was found.
  case layout(field: String, value: UInt64)

  /// A sentence that says what happened.
  public var message: String {
    switch self {
    case .system(let call, let number):
      "\(call) failed: \(Errno.text(number)) (error \(number))"
        + (number == EFBIG
          ? ": the limit of the size of files holds for shared memory, too" : "")
    case .unsealed(let seals):
      "the descriptor is not sealed (seals \(seals), required \(PLAT_SEALS_REQUIRED))"
    case .wrongSize(let announced, let found):
      "the segment has \(found) bytes where \(announced) were announced"
    case .holes(let bytes, let allocated):
      "not every page of the segment's \(bytes) bytes is written, or there is memory behind them "
        + "(\(allocated) bytes are allocated)"
    case .notMemory: "the descriptor is not a memory file"
    case .layout(let field, let value):
      "the segment's \(field) is \(value), which the layout does not allow"
    }
  }
}

/// Turns the platform layer's negative error numbers into a thrown error.
@discardableResult
func check(_ call: String, _ value: Int32) throws(MemoryError) -> Int32 {
  guard value >= 0 else { throw .system(call: call, errno: -value) }
  return value
}
