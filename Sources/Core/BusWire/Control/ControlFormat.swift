import CBusABI

/// What every frame of the control socket has in common: its header and its limits.
///
///      0  u32 magic `BCSC`
///      4  u16 protocol version
///      6  u16 kind
///      8  u32 request (0 = no answer expected; an answer repeats it)
///     12  u32 reserved, 0
///     16  body
public enum ControlFormat {
  /// The first four bytes of every frame, `BCSC`.
  public static let magic: UInt32 = 0x4353_4342
  /// The version of the protocol that this code speaks.
  public static let version: UInt16 = 2
  /// The version of the shared memory's layout that this code reads and writes; agents and router
  /// have the same.
  public static var layoutVersion: UInt16 { UInt16(BUS_LAYOUT_VERSION) }
  /// Bytes before the body.
  public static let headerBytes = 16
  /// The largest frame in bytes, header included.
  public static let frameBytesMax = 16 * 1024
  /// The longest string in bytes that the writer puts into a frame; longer texts are cut there.
  public static let textBytesMax = 1024
  /// The largest number of descriptors that come with one frame.
  public static let descriptorsMax = 2

  /// The request number of a frame that need not be well-formed, so that an error can answer it.
  ///
  /// It is 0 when the bytes are not even a header of this protocol.
  public static func request(of bytes: [UInt8]) -> UInt32 {
    var reader = ControlReader(bytes)
    guard let found = try? reader.u32(), found == magic else { return 0 }
    guard (try? reader.u32()) != nil else { return 0 }
    return (try? reader.u32()) ?? 0
  }
}
