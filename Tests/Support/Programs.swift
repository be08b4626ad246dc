import Glibc

/// Where the built programs and the source tree lie.
public enum Programs {
  /// The repository's root folder, without a slash at the end.
  public static let root: String = {
    // This file is Tests/Support/Programs.swift: three steps up.
    var path = #filePath[...]
    for _ in 0..<3 {
      guard let slash = path.lastIndex(of: "/") else { break }
      path = path[..<slash]
    }
    return String(path)
  }()

  /// The path of a built program: in `$BCS_BIN`, else in `bin/`, else in `.build/release/`.
  ///
  /// - Throws: `ChildError.noProgram` naming the places searched.
  public static func path(_ name: String) throws(ChildError) -> String {
    let places: [String]
    if let given = environmentValue("BCS_BIN"), !given.isEmpty {
      places = [given]
    } else {
      places = [root + "/bin", root + "/.build/release"]
    }
    for place in places where unsafe access("\(place)/\(name)", X_OK) == 0 {
      return "\(place)/\(name)"
    }
    throw .noProgram(name, searched: places)
  }
}
