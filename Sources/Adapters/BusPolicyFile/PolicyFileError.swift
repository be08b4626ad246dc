public import BusAccess
import BusSystem

/// Why a policy file cannot be used, where in it, and what to do.
public struct PolicyFileError: Error, Equatable, Sendable {
  /// The kinds of trouble.
  public enum Problem: Equatable, Sendable {
    /// The system refused to open or read it; holds `errno`.
    case unreadable(code: Int32)
    /// It is a folder, a pipe or a device.
    case notAFile
    /// Other users than its owner can write it; holds the permission bits.
    case writableByOthers(mode: UInt32)
    /// It belongs neither to root nor to the user of this process; holds the owner's uid.
    case foreignOwner(uid: UInt32)
    /// It has more than `PolicyFile.bytesMax` bytes.
    case tooLarge
    /// Its bytes are not UTF-8.
    case notUTF8
    /// It has no content but white space and comments.
    case empty
    /// It is not YAML; holds the parser's words.
    case syntax(String)
    /// A key that means nothing here; holds those that do.
    case unknownKey(String, allowed: [String])
    /// A key that limits nothing; holds what to do instead.
    case keyWithoutEffect(String, advice: String)
    /// The same key twice in one mapping.
    case duplicateKey(String)
    /// A key that must be there is not.
    case missingKey(String, in: String)
    /// A value of another type; holds where it stands and what is expected there.
    case wrongType(String, expected: String)
    /// A size that is no number of bytes.
    case badSize(String, key: String)
    /// A word that is none of those the key can have.
    case unknownWord(String, key: String, allowed: [String])
    /// A user this host does not know.
    case unknownUser(String)
    /// A rule that the policy itself refuses.
    case rule(PolicyError)
  }

  /// The file as it was named.
  public let file: String
  /// Line, counted from 1; nil when the trouble is with the file as a whole.
  public let line: Int?
  /// What is wrong.
  public let problem: Problem

  /// States a problem in a file.
  public init(file: String, line: Int? = nil, _ problem: Problem) {
    self.file = file
    self.line = line
    self.problem = problem
  }
}

extension PolicyFileError: CustomStringConvertible {
  /// `file:line: ` and a sentence that says what is wrong and what to do.
  public var description: String {
    let place = line.map { "\(file):\($0)" } ?? file
    return "\(place): \(problem)"
  }
}

extension PolicyFileError.Problem: CustomStringConvertible {
  /// A sentence that says what is wrong and what to do.
  public var description: String {
    switch self {
    case .unreadable, .notAFile, .writableByOthers, .foreignOwner, .tooLarge, .notUTF8:
      fileSentence
    case .empty:
      "The policy is empty: give it at least the key agents, or start without a policy file."
    case .syntax(let words):
      "The file is not valid YAML (\(words)): correct the line, "
        + "and put patterns that start with * or > between quotes."
    case .unknownKey(let key, let allowed):
      "The key \(key.debugDescription) means nothing here: "
        + "use \(allowed.joined(separator: ", "))."
    case .keyWithoutEffect(let key, let advice):
      "The key \(key.debugDescription) has no effect: \(advice)."
    case .duplicateKey(let key):
      "The key \(key.debugDescription) is there twice: keep one of them."
    case .missingKey(let key, let place):
      "The key \(key.debugDescription) is missing in \(place): add it."
    case .wrongType(let key, let expected):
      "The value of \(key) has the wrong type: write \(expected)."
    case .badSize(let text, let key):
      "\(text.debugDescription) is not a size for \(key): "
        + "write bytes as a number, or a whole number of KiB, MiB or GiB such as 64 MiB."
    case .unknownWord(let text, let key, let allowed):
      "\(text.debugDescription) is no value of \(key): "
        + "write one of \(allowed.joined(separator: ", "))."
    case .unknownUser(let name):
      "The user \(name.debugDescription) is not known on this host: "
        + "correct the name, or write its number."
    case .rule(let error):
      error.description
    }
  }

  private var fileSentence: String {
    switch self {
    case .unreadable(let code):
      "The policy file cannot be read (\(Errno.text(code))): "
        + "check the path and its permissions."
    case .notAFile:
      "This is not a regular file: name a YAML file."
    case .writableByOthers(let mode):
      "Group or others can write the policy (mode \(String(mode, radix: 8))): "
        + "take that right away with chmod go-w."
    case .foreignOwner(let uid):
      "The policy belongs to user \(uid): let root or the router's user own it."
    case .tooLarge:
      "The policy has more than \(PolicyFile.bytesMax) bytes: "
        + "shorten it with name patterns and channels instead of single entries."
    default:
      "The policy is not UTF-8 text: save it as UTF-8."
    }
  }
}
