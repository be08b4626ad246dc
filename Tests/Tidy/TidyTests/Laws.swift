/// The laws of the house, as data.
///
/// Extend a table here, with a reason, when the code needs it.
enum Law {
  // MARK: Sizes

  /// Lines from the head of a function to its closing brace.
  static let functionLines = 60
  /// Lines of a Swift, C or shell file.
  static let fileLines = 400
  /// Characters of a line of Swift, C or shell.
  static let columns = 100
  /// Files that may have longer lines.
  static let wideFiles = ["Package.swift": "one line per target reads as the architecture"]

  // MARK: Arrows

  /// A part of the source tree with one set of arrows; the longest folder that fits wins.
  struct Room: Equatable {
    let name: String
    let folder: String
    /// The rooms whose modules it may import.
    let uses: Set<String>
    /// The modules from outside the tree it may import; nil: any.
    let outside: Set<String>?

    init(_ name: String, _ folder: String, uses: Set<String>, outside: Set<String>? = nil) {
      self.name = name
      self.folder = folder
      self.uses = uses
      self.outside = outside
    }
  }

  /// Contract ← Core ← Engine ← Adapters, Services, Tools ← Programs; Core ← Client ← Programs.
  ///
  /// A library of a new name needs a row here: without one it may import nothing.
  static let rooms = [
    Room("Contract", "Sources/Contract/", uses: [], outside: []),
    // The kernel's calls; a room of its own, since the engine may not make any.
    Room(
      "System", "Sources/Core/BusSystem/", uses: ["Contract"],
      outside: ["Glibc", "Synchronization"]),
    Room(
      "Core", "Sources/Core/", uses: ["Contract", "System", "Core"],
      outside: ["Glibc", "Synchronization"]),
    // Events in, actions out: no clock, socket or file, so no Glibc either. What is routed and what
    // is queued know nothing of each other: no message goes through the router.
    Room(
      "Routing", "Sources/Engine/BusRouting/", uses: ["Core", "Engine"], outside: pureOutside),
    Room(
      "Queues", "Sources/Engine/BusQueues/", uses: ["Core", "Engine"], outside: pureOutside),
    Room("Engine", "Sources/Engine/", uses: ["Core", "Engine"], outside: pureOutside),
    // No adapter knows another: the room is not in its own list.
    Room("Adapters", "Sources/Adapters/", uses: ["Contract", "System", "Core", "Engine"]),
    // Client and router meet in shared memory and on the control socket only.
    Room(
      "Client", "Sources/Client/", uses: ["Contract", "System", "Core", "Client"],
      outside: ["BasicContainers", "DequeModule", "Glibc", "Synchronization"]),
    // The library's face for C stands on the Swift one, which knows nothing of it.
    Room(
      "C client", "Sources/Client/BinaryCommC/", uses: ["Contract", "Client"],
      outside: ["Glibc", "Synchronization"]),
    Room(
      "Router", "Sources/Services/BusRouter/",
      uses: ["Contract", "System", "Core", "Engine", "Routing"], outside: serviceOutside),
    // Any other is an ordinary agent, in a process of its own: it knows no router, no adapter and
    // no other service.
    Room(
      "Services", "Sources/Services/",
      uses: ["System", "Core", "Engine", "Queues", "Client", "Text", "JSON", "Admin"],
      outside: serviceOutside),
    Room(
      "Options", "Sources/Tools/BusOptions/", uses: ["Routing"], outside: ["ArgumentParser"]),
    // The one form in which the programs print, and JSON.
    Room("Text", "Sources/Tools/BusText/", uses: [], outside: []),
    Room("JSON", "Sources/Tools/BusJSON/", uses: ["Text"], outside: []),
    // Pure: what was seen in, figures and what Prometheus reads out.
    Room("Admin", "Sources/Tools/BusAdmin/", uses: ["Core", "Text", "Admin"], outside: []),
    // Pure as well: figures and keys in, lines of a terminal out.
    Room(
      "Terminal", "Sources/Tools/BusTerminal/", uses: ["Core", "Text", "Admin", "Terminal"],
      outside: []),
    Room(
      "Bench", "Sources/Tools/BusBench/",
      uses: ["Contract", "System", "Core", "Client", "Adapters", "Text", "JSON", "Bench"]),
    Room(
      "msg_router", "Sources/Programs/msg_router/",
      uses: [
        "Contract", "System", "Core", "Engine", "Routing", "Adapters", "Router", "Options", "Text",
        "JSON",
      ]),
    Room(
      "bcs", "Sources/Programs/bcs/",
      uses: [
        "Contract", "System", "Core", "Engine", "Adapters", "Client", "Options", "Text", "JSON",
        "Bench", "Admin", "Terminal",
      ]),
    Room("benchmarks", "Sources/Programs/test_", uses: ["Contract", "Bench", "Text"]),
    Room("examples", "Sources/Programs/example_", uses: ["Client", "Text"]),
    // Any other hands its service the adapters, and runs it.
    Room(
      "Programs", "Sources/Programs/",
      uses: [
        "Contract", "System", "Core", "Engine", "Adapters", "Client", "Services", "Text", "JSON",
      ]),
  ]

  private static let pureOutside: Set = ["DequeModule", "Synchronization"]
  /// A package that a service needs besides is an adapter.
  private static let serviceOutside: Set = ["DequeModule", "Glibc", "Logging", "Synchronization"]

  /// One heavy thing each: the modules that only these targets may import, those to come included.
  static let keepers: [String: Set<String>] = [
    "CBinaryComm": ["BinaryCommC"],
    "CEpoll": ["BusDispatcher"],
    "CHwloc": ["BusHardware"],
    "CLiburing": ["BusDispatcher"],
    "COpenSSL": ["BusCrypto"],
    "CRocksDB": ["BusRocksStore"],
    "Yams": ["BusPolicyFile"],
    "CBusFloor": ["BusBench"],
    "Histogram": ["BusBench"],
  ]

  /// Contract targets whose C files may include another Contract target's headers.
  static let includes: [String: Set<String>] = [:]

  // MARK: Pure state

  /// State machines of the client, whose events and time come in as arguments.
  ///
  /// So a test decides what happens in which order. They have no module of their own: a border
  /// would cost the hot path.
  static let pureFiles: Set<String> = [
    "Sources/Client/BinaryComm/Async/BoundedQueue.swift",
    "Sources/Client/BinaryComm/Async/Gathering.swift",
    "Sources/Client/BinaryComm/Async/RequestBacklog.swift",
    "Sources/Client/BinaryComm/Async/RequestQueue.swift",
    "Sources/Client/BinaryComm/Async/StalledParts.swift",
    "Sources/Client/BinaryComm/Counters/CounterLook.swift",
    "Sources/Client/BinaryComm/Counters/OfferedCounters.swift",
    "Sources/Client/BinaryComm/Counters/WatchedAgents.swift",
    "Sources/Client/BinaryComm/Messaging/CoalescingQueue.swift",
    "Sources/Client/BinaryComm/Messaging/ConversationLimiter.swift",
    "Sources/Client/BinaryComm/Messaging/InboundFilter.swift",
    "Sources/Client/BinaryComm/Messaging/InboundRequests.swift",
    "Sources/Client/BinaryComm/Messaging/LaneState.swift",
    "Sources/Client/BinaryComm/Messaging/NameResolver.swift",
    "Sources/Client/BinaryComm/Messaging/OrphanedRequests.swift",
    "Sources/Client/BinaryComm/Messaging/PendingMessage.swift",
    "Sources/Client/BinaryComm/Messaging/RequestTable.swift",
    "Sources/Client/BinaryComm/Messaging/ServedNames.swift",
    "Sources/Client/BinaryComm/Messaging/Tombstones.swift",
    "Sources/Client/BinaryComm/Messaging/UnreadablePeers.swift",
    "Sources/Client/BinaryComm/Publishing/AttachedReaders.swift",
    "Sources/Client/BinaryComm/Publishing/LogGrowth.swift",
    "Sources/Client/BinaryComm/Publishing/LogGrowthState.swift",
    "Sources/Client/BinaryComm/Publishing/PublisherStreamState+Logs.swift",
    "Sources/Client/BinaryComm/Publishing/PublisherStreamState.swift",
    "Sources/Client/BinaryComm/Publishing/PublisherTable.swift",
    "Sources/Client/BinaryComm/Publishing/ReaderStreams.swift",
    "Sources/Client/BinaryComm/Reading/StreamSource.swift",
    "Sources/Client/BinaryComm/Reading/SubscriptionState.swift",
    "Sources/Client/BinaryComm/Session/LostHandOvers.swift",
    "Sources/Client/BinaryComm/Session/RestoreStep.swift",
    "Sources/Client/BinaryComm/Session/SessionState+Connection.swift",
    "Sources/Client/BinaryComm/Session/SessionState.swift",
  ]

  /// What they may import.
  static let pureImports: Set<String> = [
    "BasicContainers", "BusCounters", "BusLog", "BusWire", "DequeModule",
  ]

  /// Clocks, locks and sleeps, which they may not name.
  static let impureWords: Set<String> = [
    "HostClock", "Deadline", "ContinuousClock", "Mutex", "Atomic", "SystemThread", "unsafe", "Task",
    "async",
  ]

  // MARK: Printing

  /// What prints without making text from elsewhere harmless.
  static let printWords: Set<String> = [
    "print", "debugPrint", "dump", "putchar", "puts", "fputs", "printf", "fprintf", "perror",
    "FileHandle", "stringLiteral",
  ]

  /// The files that may, each with the reason.
  static let printPlaces = [
    "Sources/Tools/BusText/TerminalText.swift": "is that form"
  ]

  /// The programs without an `Output` of their own: they may write a handle in one function, which
  /// takes that form and nothing else.
  static let sayFolders = ["Sources/Programs/example_"]
  static let sayHead = "func say(_ text: TerminalText) {"
  static let sayWord = "FileHandle"

  // MARK: Bytes that a peer may change

  /// Where the start of a peer's segment may be taken, and why; elsewhere bytes are copied out, or
  /// loaded as one word.
  static let lentPlaces = [
    "Sources/Core/BusMemory/PeerSegment.swift": "is the type",
    "Sources/Core/BusMemory/SealedBlob.swift": "lends bytes that are final",
    "Sources/Core/BusMemory/HostClock.swift": "loads words of the router's page",
    "Sources/Core/BusLog/LogReader.swift": "keeps the addresses of ring and hot words",
    "Sources/Core/BusCounters/CounterView.swift": "copies rows word by word",
  ]

  // MARK: Words

  /// Folders that would be a place for anything.
  static let bannedFolders: Set<String> = ["Utils", "Util", "Utilities", "Helpers", "Misc"]

  /// Words that say "later"; spelled in two halves, so that this file passes its own test.
  static let bannedWords = ["TO" + "DO", "FIX" + "ME", "XX" + "X"]

  /// Beginnings of paths that only exist on somebody's machine.
  static let machinePaths = ["/ho" + "me/", "/Us" + "ers/", "/ro" + "ot/", "/wo" + "rk/"]

  /// Types that were given up for the field's names.
  static let retiredNames = [
    "AgentCore": "AgentShared", "Ask": "QueuedRequest", "AskBook": "RequestQueue",
    "Bell": "EventFD", "ClockCell": "SharedClock", "Crew": "WorkerGroup", "Desk": "MessengerLoop",
    "DeskState": "MessengerLoopState", "Dialogue": "Handshake", "Fate": "DeliveryOutcome",
    "Gathered": "GatherResult", "Goods": "Resources", "HeapWord": "LocalWord",
    "HostJudge": "HostCheck", "Household": "ChildSupervisor", "Incoming": "InboxMessage",
    "Intake": "SubscriptionPump", "LaneOut": "OutboundLane", "LineTable": "PeerTable",
    "LookPace": "PollBackoff", "PreparedLog": "NewLog", "ReadingMeter": "ReadingRecorder",
    "Sentry": "ReadinessMonitor", "Sleeper": "ParkedReader", "Tap": "ChildOutput",
    "WindowGate": "FlowControl",
  ]

  // MARK: Documents

  static let syncPoints = "Docs/internals/sync-points.md"
  static let changeKinds: Set<String> = [
    "Added", "Changed", "Deprecated", "Removed", "Fixed", "Security",
  ]
}
