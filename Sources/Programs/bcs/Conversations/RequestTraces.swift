import BinaryComm
import BusAdmin
import BusLog
import BusText
import BusWire
import CBusABI

/// What the logs still hold of one request: its records, from whom to whom.
struct RequestTraces {
  /// One record of it.
  struct Entry {
    enum Kind: String {
      case request
      case reply
      case error
      case cancel
    }
    let kind: Kind
    /// The incarnation of the agent that wrote it.
    let writer: UInt64
    /// The inbox that it lies in.
    let inbox: InboxChannel
    let number: UInt64
    /// When it was written, by the bus's clock.
    let unixNs: UInt64
    /// Nothing of the reply comes behind it.
    let isLast: Bool
    /// What an error says.
    let complaint: String?

    /// The incarnation of the agent whose request it is about.
    var requester: UInt64 {
      kind == .request || kind == .cancel ? writer : inbox.owner.value
    }
    /// The agent at the other end.
    var responder: UInt64 { kind == .request || kind == .cancel ? inbox.owner.value : writer }
  }

  /// The records that were found, in the order in which they were written.
  let entries: [Entry]
  /// The agents that could not be looked into, each with the reason.
  let refusals: [(name: String, reason: String)]

  /// Looks for a request in the memory of every agent.
  init(of correlation: UInt32, agents: [[String: String]]) {
    var found: [Entry] = []
    var refusals: [(name: String, reason: String)] = []
    var seen: Set<String> = []
    var processes: Set<Int32> = []
    for agent in agents {
      guard let pid = agent["pid"].flatMap(Int32.init), processes.insert(pid).inserted else {
        continue
      }
      do throws(MappedLogs.Refusal) {
        let logs = try MappedLogs(of: pid)
        defer { logs.close() }
        for place in logs.places where !seen.contains(place.file) {
          guard let copy = logs.copy(place) else { continue }
          seen.insert(place.file)
          found += Self.entries(of: correlation, in: copy)
        }
      } catch {
        refusals.append((agent["name"] ?? "?", error.reason))
      }
    }
    entries = found.sorted { ($0.unixNs, $0.number) < ($1.unixNs, $1.number) }
    self.refusals = refusals
  }

  private static func entries(of correlation: UInt32, in log: LogCopy) -> [Entry] {
    guard let inbox = InboxChannel(log.identity.channel) else { return [] }
    return log.entries(of: correlation).compactMap { entry in
      guard let kind = kind(of: entry.words) else { return nil }
      let flags = UInt32(truncatingIfNeeded: entry.words.word7)
      let isOpen = kind == .reply && flags & BUS_FLAG_STREAMED != 0
      return Entry(
        kind: kind, writer: log.identity.incarnation, inbox: inbox, number: entry.number,
        unixNs: entry.words.word2, isLast: !isOpen,
        complaint: kind == .error ? complaint(entry.start) : nil)
    }
  }

  private static func kind(of words: HeaderWords) -> Entry.Kind? {
    switch MessageType(rawValue: words.typeBits) {
    case .request: .request
    case .response: .reply
    case .error: .error
    case .command where UInt32(truncatingIfNeeded: words.word7) & BUS_FLAG_CANCEL != 0: .cancel
    default: nil
    }
  }

  /// An error's code, by its name where it is one of the bus's, and its text.
  private static func complaint(_ bytes: [UInt8]) -> String {
    guard bytes.count >= Int(BUS_ERROR_CODE_BYTES) else { return "an error without a code" }
    let code = UInt32(truncatingIfNeeded: LogCopy.number(bytes, 0, 4))
    let name = UInt16(exactly: code).flatMap { BusErrorCode(number: $0)?.name }
    let text = String(decoding: bytes.dropFirst(4), as: UTF8.self)
    return "\(name ?? "code \(code)")\(text.isEmpty ? "" : ": \(text)")"
  }
}

extension RequestTraces {
  /// One request: ids are each requester's own, so that several agents may have the same.
  struct Request {
    let entries: [Entry]

    var requester: UInt64 { entries[0].requester }
    var responder: UInt64 { entries[0].responder }

    /// What has become of it, in a few words; `fate` of the request's own record, nil where that
    /// is not known.
    func outcome(_ fate: DeliveryOutcome?) -> String {
      let replies = entries.filter { $0.kind == .reply }
      if let error = entries.last(where: { $0.kind == .error }) {
        return "failed: \(error.complaint ?? "?")"
      }
      if replies.contains(where: \.isLast) { return "answered" }
      let cancelled = entries.contains { $0.kind == .cancel } ? ", cancelled by its requester" : ""
      if !replies.isEmpty {
        let parts = replies.count == 1 ? "a part" : "\(replies.count) parts"
        return "being answered, \(parts) of the reply so far\(cancelled)"
      }
      switch fate?.word {
      case "delivered": return "delivered, and not answered\(cancelled)"
      case "pending": return "not taken yet\(cancelled)"
      default: return "not answered\(cancelled)"
      }
    }
  }

  /// The records by request, oldest request first.
  var requests: [Request] {
    var order: [[UInt64]] = []
    var groups: [[UInt64]: [Entry]] = [:]
    for entry in entries {
      let key = [entry.requester, entry.responder]
      if groups[key] == nil { order.append(key) }
      groups[key, default: []].append(entry)
    }
    return order.compactMap { groups[$0].map(Request.init) }
  }
}
