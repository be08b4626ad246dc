import BinaryComm
import BusWire

/// How channels are called for people: an inbox by its owner's name, everything else by its own.
struct ChannelNames {
  private let owners: [String: String]

  /// Takes the router's rows about agents.
  init(agents: [[String: String]]) {
    let pairs = agents.compactMap { row in
      row["incarnation"].flatMap { number in row["name"].map { (number, $0) } }
    }
    owners = Dictionary(pairs) { first, _ in first }
  }

  /// Asks the router who is there.
  init(of agent: Agent) throws(BusError) {
    self.init(agents: try agent.query(.agents))
  }

  /// `inbox.auditor` or `inbox.auditor urgent` for an inbox whose owner lives.
  func shown(_ channel: String) -> String {
    guard let inbox = InboxChannel(channel), let owner = owners["\(inbox.owner.value)"] else {
      return channel
    }
    return "inbox.\(owner)\(inbox.lane == .urgent ? " urgent" : "")"
  }

  /// True when a person who writes `asked` means this channel.
  func isMeant(_ channel: String?, by asked: String) -> Bool {
    guard let channel else { return false }
    return channel == asked || shown(channel) == asked
  }
}
