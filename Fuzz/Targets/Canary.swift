import Glibc

/// A defect that is seeded to be found: a read beyond a heap block, deep inside each target.
///
/// A search that does not find it in time would not find a real one either.
///
/// It exists in the fuzz build only, and there it sings only for a run with `BCS_FUZZ_CANARY=1`.
package enum Canary {
  #if BCS_FUZZ
    static let isArmed = unsafe getenv("BCS_FUZZ_CANARY") != nil
    // Not private to a function: the optimiser would see that nobody reads it.
    nonisolated(unsafe) static var heard: UInt8 = 0
  #endif

  /// Reached a place that only inputs of a certain kind reach.
  @inline(__always)
  package static func sing(when isDeep: Bool) {
    #if BCS_FUZZ
      if isArmed && isDeep { overread() }
    #endif
  }

  #if BCS_FUZZ
    @inline(never)
    private static func overread() {
      let block = UnsafeMutablePointer<UInt8>.allocate(capacity: 24)
      unsafe block.initialize(repeating: 1, count: 24)
      unsafe heard = block[24 + Int(heard & 1)]
      unsafe block.deallocate()
    }
  #endif
}
