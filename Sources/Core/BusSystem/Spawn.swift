import CBusPlatform
import Glibc

/// Starts programs.
package enum Spawn {
  /// What becomes the standard descriptors of a program; -1: those of this process.
  package struct Descriptors: Sendable {
    /// Its standard input.
    package var input: Int32
    /// Its standard output.
    package var output: Int32
    /// Its standard error.
    package var errors: Int32

    /// Those that are named here, and those of this process for the others.
    package init(input: Int32 = -1, output: Int32 = -1, errors: Int32 = -1) {
      self.input = input
      self.output = output
      self.errors = errors
    }
  }

  /// How a program's life hangs together with that of this process.
  package struct Options: OptionSet, Sendable {
    /// The raw bits.
    package let rawValue: Int

    /// Options by their raw bits.
    package init(rawValue: Int) { self.rawValue = rawValue }

    /// It leads a process group of its own: signals of the terminal do not reach it.
    package static let leadsGroup = Options(rawValue: 1)
    /// It gets SIGTERM when the thread that starts it ends, which has to be one that lives as long
    /// as this process.
    package static let endsWithParent = Options(rawValue: 2)
    /// It inherits no descriptor but the three standard ones, whatever is open here.
    package static let closesOthers = Options(rawValue: 4)
  }

  /// Where a program's group is noted for the process that ends it after this one.
  ///
  /// Its word lies in memory that outlives each use of it: that is its owner's promise.
  @safe
  package struct GuardedPlace {
    /// The group, 0 where there is none.
    package let word: UnsafeMutablePointer<Int32>

    /// A place in shared memory.
    package init(_ word: UnsafeMutablePointer<Int32>) { unsafe self.word = unsafe word }
  }

  /// Starts a program, the first of `words`, by its path or its name in a folder of `PATH`, with
  /// default signals.
  ///
  /// `environment`: all of its variables, as `NAME=value`; `guarded`: where its group is noted,
  /// of which it is the leader then.
  ///
  /// - Returns: its pid, and 0 or the error number that says why it was not started.
  package static func start(
    _ words: [String], environment: [String], _ descriptors: Descriptors,
    _ options: Options = [], guarded: GuardedPlace? = nil
  ) -> (pid: Int32, code: Int32) {
    let pid = unsafe withCStrings(words) { arguments in
      unsafe withCStrings(environment) { environment in
        var how = unsafe plat_child_t(
          program: arguments[0], arguments: arguments, environment: environment,
          input: descriptors.input, output: descriptors.output, errors: descriptors.errors,
          leads_group: options.contains(.leadsGroup) ? 1 : 0,
          ends_with_parent: options.contains(.endsWithParent) ? 1 : 0,
          closes_others: options.contains(.closesOthers) ? 1 : 0, guarded: guarded?.word)
        return unsafe plat_child_start(&how)
      }
    }
    return pid < 0 ? (-1, -pid) : (pid, 0)
  }

  /// Becomes another program; returns why, if that fails.
  package static func become(_ program: String, _ arguments: [String]) -> Int32 {
    unsafe withCStrings([program] + arguments) { list in
      _ = unsafe execv(program, list)
      return errno
    }
  }

  /// Lends a null-terminated array of C strings.
  private static func withCStrings<Result>(
    _ texts: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
  ) -> Result {
    var pointers = unsafe texts.map { unsafe strdup($0) }
    unsafe pointers.append(nil)
    defer { unsafe pointers.forEach { unsafe free($0) } }
    return unsafe body(pointers)
  }
}

/// How a program ended.
package enum ChildEnd: Equatable, Sendable {
  case exit(Int32)
  case signal(Int32)

  /// What `waitpid` says.
  package init(status: Int32) {
    let number = status & 0x7F
    self = number == 0 ? .exit((status >> 8) & 0xFF) : .signal(number)
  }

  /// The exit code that a shell would show.
  package var shellStatus: Int32 {
    switch self {
    case .exit(let code): code
    case .signal(let number): 128 + number
    }
  }

  /// The end in words, as in `ended with exit code 1`.
  package var text: String {
    switch self {
    case .exit(let code): "ended with exit code \(code)"
    case .signal(let number): "was ended by signal \(number)"
    }
  }

  /// What is known of a child of this process.
  package enum State: Equatable, Sendable {
    case running
    case ended(ChildEnd)
    /// Somebody has asked before, or the kernel keeps no ends: SIGCHLD is ignored.
    case unknown
  }

  /// Asks for a child's end, which is told once; `waiting`: waits for it.
  package static func state(of pid: Int32, waiting: Bool = false) -> State {
    var status: Int32 = 0
    while true {
      let found = unsafe waitpid(pid, &status, waiting ? 0 : WNOHANG)
      if found == pid { return .ended(ChildEnd(status: status)) }
      if found == 0 { return .running }
      guard errno == EINTR else { return .unknown }
    }
  }

  /// How a child ended; nil while it runs, and where its end is not known.
  package static func of(_ pid: Int32, waiting: Bool = false) -> ChildEnd? {
    if case .ended(let end) = state(of: pid, waiting: waiting) { return end }
    return nil
  }
}

/// A pipe that no program started from here inherits.
package struct PipeEnds: Sendable {
  /// Where it is read.
  package let reading: Int32
  /// Where it is written.
  package let writing: Int32

  /// An empty pipe; the caller closes both ends.
  package init() throws(SystemError) {
    var ends: [Int32] = [-1, -1]
    let result = unsafe plat_pipe(&ends)
    guard result == 0 else { throw SystemError("pipe", -result) }
    (reading, writing) = (ends[0], ends[1])
  }
}

extension FileDescriptor {
  /// Writes all of the bytes; 0, or the number of `errno` that says why not.
  package static func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Int32 {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = unsafe rest.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return errno }
      rest = rest.dropFirst(count)
    }
    return 0
  }
}
