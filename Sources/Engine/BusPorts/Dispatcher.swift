/// Tells which of many descriptors are ready: what an event loop waits in.
///
/// Readiness is a state, not an event: a descriptor is told at each wait for as long as it is ready
/// for what it is watched for. Whoever does not want to hear of it changes the interest.
///
///     try dispatcher.watch(socket, as: WatchKey(7), for: .reading)
///     var ready = [ReadyDescriptor](repeating: .none, count: 512)
///     while true {
///       let count = try dispatcher.wait(into: &ready, timeoutMs: -1)
///       for one in ready.prefix(count) where one.key == WatchKey(7) { … }
///     }
///
/// One thread uses it. A timer, signals and the end of a process come as descriptors as well
/// (timerfd, signalfd, pidfd). What every dispatcher promises `Tests/Conformance` holds.
public protocol Dispatcher: AnyObject {
  /// Watches an open descriptor from now on.
  ///
  /// A descriptor is watched once. Stop the watch before it is closed: one that is closed while it
  /// is watched may be told once more, under its own key, and what it stands for may stay open.
  /// Its number may be watched anew when it stands for something else.
  ///
  /// - Parameters:
  ///   - descriptor: what is watched; it stays the caller's.
  ///   - key: what it is called when it is told. Take one that is never used twice: what was told
  ///     by the last wait may concern a descriptor that was stopped since.
  ///   - interest: what for; its end is told in any case.
  /// - Throws: when the descriptor is not open, is watched already, or is no such thing as can be
  ///   waited for; when there is no room.
  func watch(
    _ descriptor: Int32, as key: WatchKey, for interest: Interest
  ) throws(DispatcherError)

  /// Changes what a watched descriptor is watched for, and what it is called.
  ///
  /// - Throws: when the descriptor is not watched, or not open.
  func change(
    _ descriptor: Int32, as key: WatchKey, to interest: Interest
  ) throws(DispatcherError)

  /// Ends the watch of a descriptor: no later wait tells of it.
  ///
  /// - Throws: when the descriptor is not watched, or not open.
  func stop(_ descriptor: Int32) throws(DispatcherError)

  /// Waits until a watched descriptor is ready, and writes those that are into the list.
  ///
  /// It allocates nothing, but when a list is longer than any before it. Where more are ready than
  /// the list holds, the next waits tell the others before any of these again.
  ///
  /// - Parameters:
  ///   - ready: the room for what is told, for one descriptor at least; the caller's, to be used
  ///     again and again.
  ///   - timeoutMs: for how long at most; 0 only looks, -1 waits for ever.
  /// - Returns: how many places were written, from the first on; 0 when the time is over. Fewer
  ///   than the list has are all that were ready.
  /// - Throws: when it cannot wait at all, which is a fault of the dispatcher.
  func wait(into ready: inout [ReadyDescriptor], timeoutMs: Int32) throws(DispatcherError) -> Int
}

/// What whoever watches a descriptor calls it.
public struct WatchKey: Hashable, Sendable {
  /// Any number.
  public let value: UInt64
  /// Wraps the number.
  public init(_ value: UInt64) { self.value = value }
}

/// What a descriptor is watched for; nothing: its end alone.
public struct Interest: OptionSet, Hashable, Sendable {
  /// The raw bits.
  public let rawValue: UInt8
  /// An interest by its raw bits.
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// Something to read, a connection to accept, a time or an end that has come.
  public static let reading = Interest(rawValue: 1)
  /// Room to write.
  public static let writing = Interest(rawValue: 2)
}

/// A watched descriptor that is ready, and for what.
public struct ReadyDescriptor: Hashable, Sendable {
  /// What it is called.
  public let key: WatchKey
  /// Whether it is watched for reading, and a read would not wait.
  public let canRead: Bool
  /// Whether it is watched for writing, and a write would not wait.
  public let canWrite: Bool
  /// Whether it broke, or nobody is at its other end; what was sent before may still be read.
  public let hasHungUp: Bool

  /// A descriptor that is ready.
  public init(_ key: WatchKey, canRead: Bool, canWrite: Bool, hasHungUp: Bool) {
    self.key = key
    self.canRead = canRead
    self.canWrite = canWrite
    self.hasHungUp = hasHungUp
  }

  /// A place of a list in which nothing was told yet.
  public static let none = ReadyDescriptor(
    WatchKey(0), canRead: false, canWrite: false, hasHungUp: false)
}

/// Why a dispatcher cannot do what was asked of it.
public struct DispatcherError: Error, Equatable {
  /// What the caller may do something about.
  public enum Reason: Equatable, Sendable {
    /// No descriptor of that number is open.
    case notOpen
    /// The descriptor is watched already.
    case alreadyWatched
    /// The descriptor is not watched.
    case notWatched
    /// Nobody has to wait for it, and nobody can: a file or a folder.
    case alwaysReady
    /// The kernel has no memory or descriptor for it, or this user watches as many as it may.
    case outOfRoom
    /// Something else; see the number.
    case other
  }

  /// What is wrong.
  public let reason: Reason
  /// The call that failed, as people know it.
  public let call: String
  /// The kernel's number for it.
  public let number: Int32

  /// A call that failed.
  public init(_ reason: Reason, call: String, number: Int32) {
    self.reason = reason
    self.call = call
    self.number = number
  }
}
