/// The bytes of one execution, taken from the front; what is beyond their end reads as zero.
///
/// Valid for the length of the execution: the bytes belong to whoever runs the target.
@safe
public struct FuzzInput {
  private let bytes: UnsafeRawBufferPointer
  private let count: Int
  private var next = 0

  /// An input over bytes that outlive it.
  public init(_ bytes: UnsafeRawBufferPointer) {
    unsafe self.bytes = bytes
    count = bytes.count
  }

  /// Bytes that were not taken yet.
  public var left: Int { count - next }

  /// The next byte.
  public mutating func byte() -> UInt8 {
    guard next < count else { return 0 }
    defer { next += 1 }
    return unsafe bytes[next]
  }

  /// The next byte as one of the numbers below `bound`.
  public mutating func pick(_ bound: Int) -> Int { Int(byte()) % bound }

  /// The next bytes as a number, the lowest first.
  public mutating func number(bytes count: Int) -> UInt64 {
    var value: UInt64 = 0
    for place in 0..<count { value |= UInt64(byte()) << UInt64(8 * place) }
    return value
  }

  /// At most `count` of the next bytes.
  public mutating func take(_ count: Int) -> [UInt8] {
    let end = min(self.count, next + max(0, count))
    defer { next = end }
    return unsafe Array(bytes[next..<end])
  }

  /// All bytes that are left.
  public mutating func rest() -> [UInt8] { take(left) }
}

/// A property that the code under test does not have.
public struct Broken: Error, CustomStringConvertible {
  /// What was found.
  public let description: String

  /// Says what was found.
  public init(_ description: String) { self.description = description }
}

/// Throws when the property does not hold.
@inline(__always)
package func claim(_ holds: Bool, _ text: @autoclosure () -> String) throws(Broken) {
  guard _fastPath(holds) else { throw Broken(text()) }
}
