import Foundation

/// A fresh folder that removes itself, with all in it, when the variable that holds it ends.
///
/// Its path is short enough for a Unix socket in it. `BCS_KEEP=1` keeps it and prints its path.
public struct TemporaryDirectory: ~Copyable {
  /// The absolute path, without a slash at the end.
  public let path: String

  /// Creates the folder with mode 0700.
  ///
  /// - Throws: `ChildError.system` when the file system refuses.
  public init(_ name: String = "test") throws(ChildError) {
    var template = Array("/tmp/bcs-\(name)-XXXXXX".utf8CString)
    let created = unsafe template.withUnsafeMutableBufferPointer {
      (room: inout UnsafeMutableBufferPointer<CChar>) -> String? in
      guard let base = room.baseAddress, let made = unsafe mkdtemp(base) else { return nil }
      return unsafe String(cString: made)
    }
    guard let created else { throw .system("mkdtemp", errno) }
    path = created
  }

  /// The path of a file or folder inside.
  public func file(_ name: String) -> String { "\(path)/\(name)" }

  deinit {
    if environmentValue("BCS_KEEP") != nil {
      say("kept: \(path)")
      return
    }
    do {
      try FileManager.default.removeItem(atPath: path)
    } catch {
      say("cannot remove \(path): \(error)")
    }
  }
}
