public import ArgumentParser

/// A number of bytes on the command line: `65536`, `64K`, `16MiB`, `1g`.
///
/// Units are powers of 1024 and may be written in either case; zero is no size.
public struct ByteSize: ExpressibleByArgument, Sendable, Equatable, CustomStringConvertible {
  /// The number.
  public let bytes: UInt64

  /// Wraps a number.
  public init(bytes: UInt64) { self.bytes = bytes }

  /// Reads a size; nil when it is none, or more than 8 EiB less one byte.
  public init?(argument: String) {
    let digits = argument.prefix { ("0"..."9").contains($0) }
    guard let count = UInt64(digits), count > 0,
      let shift = Self.shifts[argument[digits.endIndex...].lowercased()],
      count <= UInt64(Int64.max) >> shift
    else { return nil }
    bytes = count << shift
  }

  /// Reads a size; throws `ValidationError` with the form of sizes.
  public static func parse(_ text: String) throws -> ByteSize {
    guard let size = ByteSize(argument: text) else {
      throw ValidationError("a size is a number from 1 on, such as 65536, 64K, 16MiB or 1g")
    }
    return size
  }

  private static let shifts: [String: UInt64] = [
    "": 0, "b": 0, "k": 10, "kib": 10, "m": 20, "mib": 20, "g": 30, "gib": 30, "t": 40, "tib": 40,
  ]

  /// How a default is shown in help.
  public var defaultValueDescription: String { description }

  /// The shortest exact form.
  public var description: String {
    for (name, shift) in [("G", 30), ("M", 20), ("K", 10)]
    where bytes > 0 && bytes % (1 << shift) == 0 {
      return "\(bytes >> shift)\(name)"
    }
    return "\(bytes)"
  }
}
