import BusTestSupport
import Foundation

/// The repository as it lies on the disk.
struct SourceTree {
  struct Entry {
    let file: SourceFile
    let isExecutable: Bool
  }

  let entries: [Entry]
  /// Every file and folder, relative to the root.
  let paths: Set<String>

  /// Read once for all tests.
  static let repository = SourceTree(root: Programs.root)

  var files: [SourceFile] { entries.map(\.file) }

  /// The file at this path, if there is one.
  func file(_ path: String) -> SourceFile? { files.first { $0.path == path } }

  init(root: String) {
    var entries: [Entry] = []
    var paths: Set<String> = []
    let walk = FileManager.default.enumerator(atPath: root)
    while let path = walk?.nextObject() as? String {
      let name = path.split(separator: "/").last.map(String.init) ?? path
      let full = "\(root)/\(path)"
      let attributes = try? FileManager.default.attributesOfItem(atPath: full)
      let type = attributes?[.type] as? FileAttributeType
      if SourceTree.isBuilt(path, name) {
        if type == .typeDirectory { walk?.skipDescendants() }
        continue
      }
      paths.insert(path)
      guard type == .typeRegular, let bytes = FileManager.default.contents(atPath: full),
        let text = String(bytes: bytes, encoding: .utf8)
      else { continue }
      let mode = (attributes?[.posixPermissions] as? NSNumber)?.intValue ?? 0
      entries.append(Entry(file: SourceFile(path, text), isExecutable: mode & 0o111 != 0))
    }
    self.entries = entries.sorted { $0.file.path < $1.file.path }
    self.paths = paths
  }

  /// What `.gitignore` names, git's own, and data.
  private static func isBuilt(_ path: String, _ name: String) -> Bool {
    name == ".git" || name.hasPrefix(".build") || name == ".swiftpm" || name == "__pycache__"
      || name == "Package.resolved" || name.hasSuffix(".o") || path == "bin"
      // Bytes for the fuzzers: no text of ours.
      || path == "Fuzz/Corpus"
  }
}
