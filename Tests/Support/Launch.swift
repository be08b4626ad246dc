import Foundation
import Glibc

/// A program just started with posix_spawn, and our ends of its pipes.
struct Launch: Sendable {
  let pid: Int32
  let input: Int32?
  let stdout: Int32
  let stderr: Int32

  private static let turn = Monitor(())

  /// Starts `arguments[0]` with default signals, no open descriptor but 0 to 2, and our pipes.
  static func start(
    _ arguments: [String], environment: [String], hasInput: Bool, directory: String?
  ) throws(ChildError) -> Launch {
    // env enters the folder and then becomes the program, under the same pid.
    let command = directory.map { ["/usr/bin/env", "-C", $0] + arguments } ?? arguments
    // One launch at a time: CLOEXEC is set in a second step, and a child started between the two
    // steps would hold our pipes open.
    let result = turn.with { _ -> Result<Launch, ChildError> in
      do throws(ChildError) {
        return .success(try Launch(command, environment: environment, hasInput: hasInput))
      } catch {
        return .failure(error)
      }
    }
    return try result.get()
  }

  private init(
    _ command: [String], environment: [String], hasInput: Bool
  ) throws(ChildError) {
    let input = hasInput ? try Pipe() : nil
    let output = try Pipe()
    let errors = try Pipe()
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    if let input {
      unsafe posix_spawn_file_actions_adddup2(&actions, input.reading, 0)
    } else {
      unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    }
    unsafe posix_spawn_file_actions_adddup2(&actions, output.writing, 1)
    unsafe posix_spawn_file_actions_adddup2(&actions, errors.writing, 2)
    // A descriptor inherited by accident would hide that a program closes its own.
    guard let closeFrom = unsafe Self.closeFrom else { throw .system("addclosefrom_np", ENOSYS) }
    _ = unsafe closeFrom(&actions, 3)

    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    unsafe sigemptyset(&signals)
    unsafe posix_spawnattr_setsigmask(&attributes, &signals)
    unsafe sigfillset(&signals)
    unsafe posix_spawnattr_setsigdefault(&attributes, &signals)
    unsafe posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))

    var pid: Int32 = 0
    let error = unsafe withStrings(command) { argv in
      unsafe withStrings(environment) { envp in
        unsafe posix_spawnp(&pid, command[0], &actions, &attributes, argv, envp)
      }
    }
    input?.closeReading()
    output.closeWriting()
    errors.closeWriting()
    guard error == 0 else {
      input?.closeWriting()
      output.closeReading()
      errors.closeReading()
      throw .system("start of '\(command[0])'", error)
    }
    self.pid = pid
    self.input = input?.writing
    self.stdout = output.reading
    self.stderr = errors.reading
  }
}

extension Launch {
  fileprivate typealias CloseFrom =
    @convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, Int32) -> Int32

  /// `posix_spawn_file_actions_addclosefrom_np`, which is missing from the Glibc module.
  fileprivate static var closeFrom: CloseFrom? {
    let symbol = unsafe dlsym(nil, "posix_spawn_file_actions_addclosefrom_np")
    return unsafe symbol.map { unsafe unsafeBitCast($0, to: CloseFrom.self) }
  }
}

private struct Pipe {
  let reading: Int32
  let writing: Int32

  init() throws(ChildError) {
    var ends: [Int32] = [-1, -1]
    guard unsafe pipe(&ends) == 0 else { throw .system("pipe", errno) }
    reading = ends[0]
    writing = ends[1]
  }

  func closeReading() { close(reading) }
  func closeWriting() { close(writing) }
}

/// Lends a null-terminated array of C strings.
private func withStrings<Result>(
  _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
  let pointers = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(
    capacity: strings.count + 1)
  for (index, text) in strings.enumerated() { unsafe pointers[index] = unsafe strdup(text) }
  unsafe pointers[strings.count] = nil
  defer {
    for index in strings.indices { unsafe free(pointers[index]) }
    unsafe pointers.deallocate()
  }
  return unsafe body(pointers)
}
