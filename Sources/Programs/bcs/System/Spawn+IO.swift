import CBusPlatform
import Glibc

/// Starts programs that end when this process ends, whatever ends it.
///
/// On the main thread only: the kernel tells them of the end of the thread that started them.
enum Spawn {
  /// What becomes the standard descriptors of a program; -1: those of this process.
  struct Descriptors {
    var input: Int32 = -1
    var output: Int32 = -1
    var errors: Int32 = -1
  }

  /// Starts a program, the first of `words`, by its path or its name in a folder of `PATH`.
  ///
  /// `environment` is set on top of this process's variables; with a guardian it has a process
  /// group of its own, which the guardian ends after this process.
  ///
  /// - Returns: its pid, and 0 or the error number that says why it was not started.
  static func start(
    _ words: [String], environment: [(String, String)] = [], _ descriptors: Descriptors,
    guardian: Guardian? = nil
  ) -> (pid: Int32, code: Int32) {
    let changed = Set(environment.map(\.0))
    let kept = variables.filter { !changed.contains(String($0.prefix { $0 != "=" })) }
    let all = kept + environment.map { "\($0.0)=\($0.1)" }
    let pid = unsafe withArguments(words) { arguments in
      unsafe withArguments(all) { environment in
        var how = unsafe plat_child_t(
          program: arguments[0], arguments: arguments, environment: environment,
          input: descriptors.input, output: descriptors.output, errors: descriptors.errors,
          leads_group: guardian == nil ? 0 : 1, guardian: guardian?.descriptor ?? -1)
        return unsafe plat_child_start(&how)
      }
    }
    return pid < 0 ? (-1, -pid) : (pid, 0)
  }

  private static var variables: [String] {
    var all: [String] = []
    var next = unsafe environ
    while let text = unsafe next.pointee {
      all.append(unsafe String(cString: text))
      unsafe next += 1
    }
    return all
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
        "No process can be started: \(System.words(-descriptor)).",
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

func withArguments<Result>(
  _ arguments: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
  let list = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(
    capacity: arguments.count + 1)
  for (index, text) in arguments.enumerated() { unsafe list[index] = strdup(text) }
  unsafe list[arguments.count] = nil
  defer {
    for index in arguments.indices { unsafe free(list[index]) }
    unsafe list.deallocate()
  }
  return unsafe body(list)
}
