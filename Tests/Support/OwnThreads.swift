import Glibc

/// Runs each step of an asynchronous test on a thread of its own.
///
/// Swift's pool has a thread per core, and a synchronous test blocks one of them until it ends. A
/// test that suspends comes back to the end of the pool's queue, behind every test that has not
/// run yet: it hangs for as long as all of them take, and for ever when one of them waits for it.
public final class OwnThreads: TaskExecutor {
  /// For `Task(executorPreference:)`, which does not take over the preference of its surroundings.
  public static let shared = OwnThreads()

  private init() {}

  /// Runs the job on a new thread.
  public func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    startThread { unsafe job.runSynchronously(on: OwnThreads.shared.asUnownedTaskExecutor()) }
  }
}

/// Suspends for a while; unlike `Task.sleep` it needs no thread of Swift's pool to come back.
public func rest(milliseconds: UInt32) async {
  await withCheckedContinuation { continuation in
    startThread {
      usleep(milliseconds * 1000)
      continuation.resume()
    }
  }
}
