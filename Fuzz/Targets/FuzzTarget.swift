/// Code that is given bytes of a stranger, with what must hold whatever they are.
///
/// A target keeps what is dear to make (mappings, policies) and begins each execution anew.
/// Run it from one thread.
public protocol FuzzTarget: AnyObject {
  /// What driver, corpus and documents call it.
  static var name: String { get }
  /// Longest input in bytes that is worth trying.
  static var bytesMax: Int { get }
  /// Prepares memory for many executions.
  init() throws
  /// One execution.
  func run(_ input: inout FuzzInput) throws(Broken)
  /// Inputs from which the search starts, always the same.
  static func seeds() -> [[UInt8]]
}

/// The targets below the engine.
///
/// Apart from those of the engine, because a search looks at every counter of its program after
/// each execution: a program without engine and YAML parser searches faster.
public enum CoreTargets {
  /// In the order in which they are documented.
  public static var all: [any FuzzTarget.Type] {
    [
      LogTarget.self, FramesTarget.self, HeaderTarget.self, TopicTarget.self, CounterTarget.self,
    ]
  }
}
