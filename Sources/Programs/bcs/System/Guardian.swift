import BusSystem
import CBusPlatform
import Glibc

extension Spawn {
  /// Starts a program that ends when this process ends, whatever ends it.
  ///
  /// On the main thread only: the kernel tells it of the end of the thread that started it.
  /// `environment` is set on top of this process's variables; with a guardian it has a process
  /// group of its own, which the guardian ends after this process.
  ///
  /// - Returns: its pid, and 0 or the error number that says why it was not started.
  static func tied(
    _ words: [String], environment: [(String, String)] = [], _ descriptors: Descriptors,
    guardian: Guardian? = nil
  ) -> (pid: Int32, code: Int32) {
    let changed = Set(environment.map(\.0))
    let kept = ProcessEnvironment.variables.filter { variable in
      !changed.contains(String(variable.prefix { $0 != "=" }))
    }
    return start(
      words, environment: kept + environment.map { "\($0.0)=\($0.1)" }, descriptors,
      guardian == nil ? .endsWithParent : [.endsWithParent, .leadsGroup],
      guardian: guardian?.descriptor ?? -1)
  }
}

/// A process that outlives this one for as long as it takes to end the commands that still run.
///
/// Nothing else could: `kill -9` leaves a process no last word, and the kernel's own signal at the
/// end of a parent reaches a command, but not what that has started.
final class Guardian {
  /// The pipe whose end it waits for.
  let descriptor: Int32
  private let pid: Int32

  /// Starts it; to be called before this process has threads.
  ///
  /// - Throws: `Failure` when the system has no room for a process.
  init() throws {
    var pid: Int32 = 0
    let descriptor = unsafe plat_guardian_start(&pid)
    guard descriptor >= 0 else {
      throw Failure(
        "No process can be started: \(Errno.text(-descriptor)).",
        remedy: "Raise the limit of processes (`ulimit -u`) or of descriptors (`ulimit -n`).",
        exitCode: 6, name: "RESOURCE_EXHAUSTED")
    }
    self.descriptor = descriptor
    self.pid = pid
  }

  deinit {
    close(descriptor)
    var ignored: Int32 = 0
    while unsafe waitpid(pid, &ignored, 0) < 0, errno == EINTR {}
  }

  /// A command has ended by itself: what it left behind is its own affair.
  func release(_ pid: Int32) { plat_guardian_release(descriptor, pid) }
}
