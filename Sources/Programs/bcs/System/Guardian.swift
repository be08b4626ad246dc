import BusSystem
import CBusPlatform
import Glibc

extension Spawn {
  /// Starts a program that ends when this process ends, whatever ends it.
  ///
  /// On the main thread only: the kernel tells it of the end of the thread that started it.
  /// `environment` is set on top of this process's variables; with a place at its guardian it has a
  /// process group of its own, which the guardian ends after this process.
  ///
  /// - Returns: its pid, and 0 or the error number that says why it was not started.
  static func tied(
    _ words: [String], environment: [(String, String)] = [], _ descriptors: Descriptors,
    guarded: GuardedPlace? = nil
  ) -> (pid: Int32, code: Int32) {
    let changed = Set(environment.map(\.0))
    let kept = ProcessEnvironment.variables.filter { variable in
      !changed.contains(String(variable.prefix { $0 != "=" }))
    }
    return start(
      words, environment: kept + environment.map { "\($0.0)=\($0.1)" }, descriptors,
      guarded == nil ? .endsWithParent : [.endsWithParent, .leadsGroup], guarded: guarded)
  }
}

/// A process that outlives this one for as long as it takes to end the commands that still run.
///
/// Nothing else could: `kill -9` leaves a process no last word, and the kernel's own signal at the
/// end of a parent reaches a command, but not what that has started. Which commands run it reads in
/// memory of both, so that it is never waited for, and another one knows as much when it has ended.
@safe
final class Guardian {
  private let groups: UnsafeMutablePointer<Int32>
  private var free: [Int]
  /// The pipe whose end it waits for, and its pid; -1 and 0: there is none.
  private var descriptor: Int32 = -1
  private var pid: Int32 = 0
  /// When the next one is tried, after one that could not be started.
  private var retry: Deadline?

  /// Starts it; to be called before this process has threads and much memory.
  ///
  /// - Throws: `Failure` when the system has no room for a process.
  init() throws {
    guard let groups = unsafe plat_guarded_groups() else { throw Self.refusal(ENOMEM) }
    unsafe self.groups = unsafe groups
    free = Array((0..<Int(PLAT_GUARDED_MAX)).reversed())
    let code = start()
    guard code == 0 else { throw Self.refusal(code) }
  }

  deinit {
    if pid > 0 { end() }
    unsafe plat_guarded_free(groups)
  }

  /// Whether one more command can be guarded.
  var hasRoom: Bool { !free.isEmpty }

  /// A place for a command that is to be started; nil: there is none.
  func takePlace() -> Spawn.GuardedPlace? {
    free.popLast().map { unsafe Spawn.GuardedPlace(groups + $0) }
  }

  /// A command has ended by itself: what it left behind is its own affair.
  func release(_ place: Spawn.GuardedPlace) {
    unsafe plat_guarded_release(place.word)
    free.append(unsafe place.word - groups)
  }

  /// Starts another one where it has ended; what there is to say of that.
  func renew() -> String? {
    if pid > 0 {
      guard plat_child_ended(pid) == 1 else { return nil }
      _ = ChildEnd.of(pid, waiting: true)
      close(descriptor)
      (descriptor, pid) = (-1, 0)
    } else if let retry, !retry.isOver {
      return nil
    }
    let hasFailed = retry != nil
    let code = start()
    guard code != 0 else {
      retry = nil
      return hasFailed
        ? "there is a guardian again" : "the guardian has ended; another one was started"
    }
    retry = Deadline(after: .seconds(1))
    return hasFailed
      ? nil
      : "the guardian has ended, and no other can be started (\(Errno.text(code))): until one "
        + "can, what commands have started may outlive this process"
  }

  /// Returns 0 or the error number.
  private func start() -> Int32 {
    let result = unsafe plat_guardian_start(groups, &pid)
    descriptor = max(-1, result)
    return result < 0 ? -result : 0
  }

  private func end() {
    close(descriptor)
    // Where nobody is left to be ended it has nothing to do, and one that was stopped is not
    // waited for.
    let isIdle = free.count == Int(PLAT_GUARDED_MAX)
    _ = kill(pid, isIdle ? SIGKILL : SIGCONT)
    let limit = Deadline(after: .seconds(2))
    while ChildEnd.of(pid, waiting: isIdle) == nil, !isIdle, !limit.isOver {
      System.sleep(.milliseconds(2))
    }
  }

  private static func refusal(_ code: Int32) -> Failure {
    Failure(
      "No process can be started: \(Errno.text(code)).",
      remedy: "Raise the limit of processes (`ulimit -u`) or of descriptors (`ulimit -n`).",
      exitCode: 6, name: "RESOURCE_EXHAUSTED")
  }
}
