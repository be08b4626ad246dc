public import BusAdmin
import BusText

/// What a person chose in `bcs top`: the order, the filter, where the list stands.
public struct TopState: Equatable, Sendable {
  /// What the list can be sorted by.
  public enum Order: String, CaseIterable, Sendable {
    /// Messages a second.
    case rate
    /// Bytes a second.
    case bytes
    /// Messages that wait.
    case depth
    /// Messages lost.
    case lost
    /// The longest times.
    case p99
    /// The agent's name.
    case agent
    /// The channel.
    case channel
  }

  /// What the list is sorted by.
  public var order = Order.rate
  /// Whether the order is turned round: numbers rise, names fall.
  public var isReversed = false
  /// What an agent's or a channel's name must contain.
  public var filter = ""
  /// Whether keys go into the filter.
  public private(set) var isTyping = false
  /// Whether the list stands still.
  public private(set) var isPaused = false
  /// Whether the keys are explained in place of the list.
  public private(set) var showsKeys = false
  /// How many rows lie above the first that is shown.
  public private(set) var scroll = 0

  /// As at the start.
  public init() {}

  /// A key as the terminal sends it.
  public enum Key: Equatable, Sendable {
    /// A key with a character.
    case character(Character)
    /// Escape alone.
    case escape
    /// Return.
    case enter
    /// Backspace.
    case backspace
    /// A row up.
    case up
    /// A row down.
    case down
    /// A page up.
    case pageUp
    /// A page down.
    case pageDown
    /// Control-C.
    case interrupt
  }

  /// What a key asks of the program, beyond what it changed here.
  public enum Effect: Equatable, Sendable {
    /// Draw anew.
    case draw
    /// End.
    case quit
    /// Nothing.
    case none
  }

  /// Takes a key.
  public mutating func press(_ key: Key) -> Effect {
    if key == .interrupt { return .quit }
    if showsKeys {
      // Any key leads back, and q and control-C end all the same.
      showsKeys = false
      return key == .character("q") ? .quit : .draw
    }
    return isTyping ? type(key) : command(key)
  }

  private mutating func type(_ key: Key) -> Effect {
    switch key {
    case .enter: isTyping = false
    case .escape:
      isTyping = false
      filter = ""
    case .backspace: if !filter.isEmpty { filter.removeLast() }
    case .character(let character):
      guard filter.count < 64, SafeText.printable("\(character)") == "\(character)" else {
        return .none
      }
      filter.append(character)
    default: return .none
    }
    scroll = 0
    return .draw
  }

  private mutating func command(_ key: Key) -> Effect {
    switch key {
    case .character("q"), .character("Q"): return .quit
    case .character("?"), .character("h"): showsKeys = true
    case .character("s"):
      let all = Order.allCases
      let next = (all.firstIndex(of: order) ?? 0) + 1
      order = all[next % all.count]
    case .character("r"): isReversed.toggle()
    case .character("/"): isTyping = true
    case .escape: filter = ""
    case .character(" "), .character("p"): isPaused.toggle()
    case .up, .character("k"): scroll = max(0, scroll - 1)
    case .down, .character("j"): scroll += 1
    case .pageUp: scroll = max(0, scroll - 10)
    case .pageDown: scroll += 10
    // Whoever presses what is no key is shown those that are.
    case .character: showsKeys = true
    default: return .none
    }
    return .draw
  }

  /// Keeps the list from standing beyond its end.
  public mutating func settle(rows: Int, room: Int) { scroll = max(0, min(scroll, rows - room)) }

  /// The rows that the filter lets through, in the chosen order.
  public func arranged(_ traffic: [ChannelTraffic]) -> [ChannelTraffic] {
    let wanted = filter.lowercased()
    let shown = traffic.filter { one in
      wanted.isEmpty || one.agent.lowercased().contains(wanted)
        || one.key.channel.lowercased().contains(wanted)
    }
    return shown.sorted { left, right in
      let (first, second) = isReversed ? (right, left) : (left, right)
      if let before = precedes(first, second) { return before }
      return left.key < right.key
    }
  }

  /// Whether one comes before the other; nil when they are equal in what counts.
  private func precedes(_ left: ChannelTraffic, _ right: ChannelTraffic) -> Bool? {
    func larger<Value: Comparable>(_ value: (ChannelTraffic) -> Value) -> Bool? {
      value(left) == value(right) ? nil : value(left) > value(right)
    }
    switch order {
    case .rate: return larger(\.rate)
    case .bytes: return larger { $0.recent?.bytesPerSecond ?? 0 }
    case .depth: return larger { $0.depth ?? 0 }
    case .lost: return larger(\.lost)
    case .p99: return larger { $0.percentile(0.99) ?? 0 }
    case .agent: return left.agent == right.agent ? nil : left.agent < right.agent
    case .channel:
      return left.key.channel == right.key.channel ? nil : left.key.channel < right.key.channel
    }
  }
}

extension TopState.Key {
  /// The keys in bytes that a terminal sent; what is no key is passed over.
  public static func keys(in bytes: [UInt8]) -> [TopState.Key] {
    var keys: [TopState.Key] = []
    var rest = bytes[...]
    while let first = rest.first {
      if first == 0x1B, let (key, length) = sequence(rest) {
        if let key { keys.append(key) }
        rest = rest.dropFirst(length)
        continue
      }
      switch first {
      case 0x03: keys.append(.interrupt)
      case 0x0A, 0x0D: keys.append(.enter)
      case 0x08, 0x7F: keys.append(.backspace)
      case 0x1B: keys.append(.escape)
      case 0x20...0x7E: keys.append(.character(Character(Unicode.Scalar(first))))
      case 0xC2...0xF4:
        let length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
        if let text = String(validating: rest.prefix(length), as: UTF8.self), let one = text.first {
          keys.append(.character(one))
          rest = rest.dropFirst(length - 1)
        }
      default: break
      }
      rest = rest.dropFirst()
    }
    return keys
  }

  /// A key that is sent as escape, bracket or O, and more; nil: the escape stands alone.
  private static func sequence(_ bytes: ArraySlice<UInt8>) -> (TopState.Key?, Int)? {
    let two = Array(bytes.prefix(2))
    guard two.count == 2, two[1] == UInt8(ascii: "[") || two[1] == UInt8(ascii: "O") else {
      return nil
    }
    let body = bytes.dropFirst(2)
    guard let end = body.firstIndex(where: { (0x40...0x7E).contains($0) }) else {
      return (nil, bytes.count)
    }
    let length = end - bytes.startIndex + 1
    switch (body[end], body[body.startIndex..<end]) {
    case (UInt8(ascii: "A"), _): return (.up, length)
    case (UInt8(ascii: "B"), _): return (.down, length)
    case (UInt8(ascii: "~"), let digits) where digits.elementsEqual("5".utf8):
      return (.pageUp, length)
    case (UInt8(ascii: "~"), let digits) where digits.elementsEqual("6".utf8):
      return (.pageDown, length)
    default: return (nil, length)
    }
  }
}
