import Glibc

/// What a lock file says, in four lines.
///
///     pid        4711
///     agents 1
///     boot 91702d4b-984e-4c40-82ae-24c8fb42026a
///     key 00112233…
///
/// The process is 0 once the router has ended in order, and then the agents are 0 if it had none. A
/// key serves the routers of one boot: an agent of an earlier one cannot be there any more.
struct LockNote {
  /// More than any lock file has.
  static let bytesMax = 512

  let pid: Int32
  /// Whether there may be agents that come back to the next router.
  let leavesAgents: Bool
  let key: [UInt8]
  private let boot: String

  /// What a router of this boot notes.
  init(pid: Int32, leavesAgents: Bool = true, key: [UInt8]) {
    self.init(pid: pid, leavesAgents: leavesAgents, key: key, boot: Self.currentBoot())
  }

  private init(pid: Int32, leavesAgents: Bool, key: [UInt8], boot: String) {
    (self.pid, self.leavesAgents, self.key, self.boot) = (pid, leavesAgents, key, boot)
  }

  /// Whether the machine has not been started anew since.
  var isOfThisBoot: Bool { !boot.isEmpty && boot == Self.currentBoot() }

  /// Reads a lock file; nil when one of the lines is missing, or there twice.
  static func read(_ file: Int32) -> LockNote? {
    guard let text = text(of: file) else { return nil }
    var values: [Substring: Substring] = [:]
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ")
      guard words.count == 2, values.updateValue(words[1], forKey: words[0]) == nil else {
        return nil
      }
    }
    guard let pid = values["pid"].flatMap({ Int32($0) }), pid >= 0,
      let agents = values["agents"], ["0", "1"].contains(agents), let boot = values["boot"],
      let key = values["key"].flatMap(bytes(hex:))
    else { return nil }
    return LockNote(pid: pid, leavesAgents: agents == "1", key: key, boot: String(boot))
  }

  /// Returns 0 or the error number.
  ///
  /// The note is written at one go over one of the same length, so that a router that is killed
  /// meanwhile leaves the one or the other.
  func write(to file: Int32) -> Int32 {
    let text = text
    let written = unsafe pwrite(file, text, text.count, 0)
    guard written == text.count else { return written < 0 ? errno : ENOSPC }
    return ftruncate(file, off_t(text.count)) == 0 ? 0 : errno
  }

  private var text: [UInt8] {
    let digits = Array("0123456789abcdef".utf8)
    let number = String(pid)
    let pad = String(repeating: " ", count: max(0, 10 - number.utf8.count))
    let agents = leavesAgents ? 1 : 0
    var bytes = Array("pid \(pad)\(number)\nagents \(agents)\nboot \(boot)\nkey ".utf8)
    for byte in key {
      bytes.append(digits[Int(byte >> 4)])
      bytes.append(digits[Int(byte & 15)])
    }
    return bytes + Array("\n".utf8)
  }

  /// The kernel's name of this boot; empty when it does not tell.
  private static func currentBoot() -> String {
    let file = unsafe open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return "" }
    defer { close(file) }
    return text(of: file)?.split(separator: "\n").first.map(String.init) ?? ""
  }

  private static func text(of file: Int32) -> String? {
    var room = [UInt8](repeating: 0, count: bytesMax)
    let count = unsafe pread(file, &room, room.count, 0)
    return count > 0 ? String(decoding: room[..<count], as: UTF8.self) : nil
  }

  private static func bytes(hex: Substring) -> [UInt8]? {
    guard hex.utf8.count % 2 == 0 else { return nil }
    var rest = hex
    var bytes: [UInt8] = []
    while !rest.isEmpty {
      guard let byte = UInt8(rest.prefix(2), radix: 16) else { return nil }
      bytes.append(byte)
      rest = rest.dropFirst(2)
    }
    return bytes
  }
}
