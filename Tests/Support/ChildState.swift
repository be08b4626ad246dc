/// What the threads around a child know of it.
struct ChildState {
  var input: Int32?
  var stdout = Output()
  var stderr = Output()
  var exit: ChildExit?

  init(input: Int32?) { self.input = input }

  /// Gives the write end of the input to one caller, who closes it.
  mutating func takeInput() -> Int32? {
    defer { input = nil }
    return input
  }
}

/// What came out of one pipe.
struct Output {
  private var bytes: [UInt8] = []
  private var searched = 0
  /// True when no more can come.
  private(set) var ended = false

  /// All of it; bytes that are no UTF-8 are shown as U+FFFD.
  var text: String { String(decoding: bytes, as: UTF8.self) }

  /// Adds what was read; nothing means the end.
  mutating func append(_ more: [UInt8]) {
    bytes += more
    ended = ended || more.isEmpty
  }

  /// The next line that contains `text`, without its line feed; a last line may lack one.
  mutating func takeLine(containing text: String) -> String? {
    let wanted = Array(text.utf8)
    while searched < bytes.count {
      let rest = bytes[searched...]
      let end = rest.firstIndex(of: 0x0A)
      guard end != nil || ended else { return nil }
      let line = rest[..<(end ?? bytes.count)]
      searched = min(line.endIndex + 1, bytes.count)
      if line.contains(wanted) { return String(decoding: line, as: UTF8.self) }
    }
    return nil
  }
}

extension ArraySlice<UInt8> {
  fileprivate func contains(_ wanted: [UInt8]) -> Bool {
    guard count >= wanted.count else { return false }
    return (startIndex...endIndex - wanted.count).contains { start in
      self[start..<start + wanted.count].elementsEqual(wanted)
    }
  }
}
