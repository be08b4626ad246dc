import Glibc

/// Which memory file a descriptor is of: two descriptors of one file have the same.
///
/// Says nothing any more once nobody has the file open or mapped.
public struct MemoryFile: Hashable, Sendable {
  private let device: UInt64
  private let inode: UInt64

  /// Throws when the descriptor is not open.
  public init(of descriptor: Int32) throws(MemoryError) {
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else {
      throw .system(call: "fstat", errno: errno)
    }
    device = UInt64(status.st_dev)
    inode = UInt64(status.st_ino)
  }
}
