import BusSystem

/// The output of a child while it runs: lines that are handed over as they come.
final class ChildOutput {
  let child: ChildProcess
  let name: String
  private(set) var hasEnded = false
  private var rest: [UInt8] = []
  private let takeBytes: (([UInt8]) -> Void)?
  /// Every line so far.
  private(set) var lines: [String] = []

  /// Collects lines.
  init(_ name: String, _ child: ChildProcess) {
    self.name = name
    self.child = child
    takeBytes = nil
  }

  /// Hands over bytes as they are.
  init(_ name: String, _ child: ChildProcess, bytes: @escaping ([UInt8]) -> Void) {
    self.name = name
    self.child = child
    takeBytes = bytes
  }

  /// The last line that begins with a word, without it.
  func last(_ word: String) -> String? {
    lines.last { $0.hasPrefix(word + " ") }.map { String($0.dropFirst(word.count + 1)) }
  }

  /// Whether there is a line of just this word, or one that begins with it.
  func has(_ word: String) -> Bool {
    lines.contains { $0 == word || $0.hasPrefix(word + " ") }
  }

  /// The numbers of the last line that begins with a word, by the names that stand before them.
  func facts(_ word: String) -> [String: Int] {
    let words = (last(word) ?? "").split(separator: " ").map(String.init)
    var facts: [String: Int] = [:]
    for place in stride(from: 0, to: words.count - 1, by: 2) {
      facts[words[place]] = Int(words[place + 1])
    }
    return facts
  }

  private func take(_ bytes: [UInt8]) {
    guard !bytes.isEmpty else {
      hasEnded = true
      child.closeOutput()
      return
    }
    if let takeBytes { return takeBytes(bytes) }
    rest += bytes
    var start = 0
    while let end = rest[start...].firstIndex(of: 0x0A) {
      lines.append(String(decoding: rest[start..<end], as: UTF8.self))
      start = end + 1
    }
    rest.removeFirst(start)
  }

  /// Reads from all children until a condition holds.
  ///
  /// - Returns: false when the time was over first.
  static func pump(
    _ taps: [ChildOutput], _ limit: Deadline, until isDone: () throws -> Bool
  ) throws -> Bool {
    while try !isDone() {
      if limit.isOver { return false }
      try Interrupt.check()
      let open = taps.filter { !$0.hasEnded }
      guard !open.isEmpty else {
        System.sleep(.milliseconds(5))
        continue
      }
      let ready = LineReader.waitReadable(open.map(\.child.output), .milliseconds(20))
      for tap in open where ready.contains(tap.child.output) {
        tap.take(try Input.read(tap.child.output, room: 1 << 16))
      }
    }
    return true
  }
}
