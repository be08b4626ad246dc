import BusSystem
import CBusPlatform
import Glibc

/// What this machine does not give, in one sentence each.
struct Degradations {
  let lines: [String]

  static func find(ticksAreClock: Bool) -> Degradations {
    var lines: [String] = []
    if !knowsNoexec() {
      lines.append(
        "No NOEXEC_SEAL (kernel before 6.3): memory files could be made executable; nothing else "
          + "changes.")
    }
    if !knowsPeerPidfd() {
      lines.append(
        "No SO_PEERPIDFD (kernel before 6.5): processes are told apart by number and start time.")
    }
    if plat_barrier_everywhere() < 0, plat_barrier_register() < 0 {
      lines.append(
        "No membarrier: joins and sleepers use full fences, which costs publishers some "
          + "nanoseconds.")
    }
    if !ticksAreClock {
      lines.append(
        "The CPU's counter is not constant: timestamps come from the kernel, 22 ns instead of 10.")
    }
    return Degradations(lines: lines)
  }

  private static func knowsNoexec() -> Bool {
    guard plat_forbidden() & PLAT_NO_NOEXEC_SEAL == 0 else { return false }
    let sample = Kernel.memoryFile()
    guard sample >= 0 else { return false }
    defer { close(sample) }
    // The seal F_SEAL_EXEC is set only by a kernel that knows it.
    return plat_seals(sample) & 0x20 != 0
  }

  private static func knowsPeerPidfd() -> Bool {
    guard let ends = RecordSocket.pair() else { return false }
    let found = plat_peer_pidfd(ends.0)
    if found >= 0 { close(found) }
    close(ends.0)
    close(ends.1)
    return found >= 0
  }
}
