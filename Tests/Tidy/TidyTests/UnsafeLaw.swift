extension Law {
  /// Where the word `unsafe` may stand: in the named files of a folder, or in all of them.
  struct UnsafePlace {
    let folder: String
    /// Relative to the folder; nil: every file.
    let files: Set<String>?
    let reason: String

    init(_ folder: String, _ reason: String, files: Set<String>? = nil) {
      self.folder = folder
      self.files = files
      self.reason = reason
    }

    func allows(_ path: String) -> Bool {
      guard path.hasPrefix(folder) else { return false }
      return files?.contains(String(path.dropFirst(folder.count))) ?? true
    }
  }

  static let unsafePlaces = [
    UnsafePlace("Sources/Core/BusSystem/", "calls the kernel"),
    UnsafePlace("Sources/Core/BusMemory/", "maps memory"),
    UnsafePlace("Sources/Core/BusCounters/", "shares memory"),
    UnsafePlace("Sources/Core/BusLog/", "shares memory"),
    UnsafePlace("Sources/Core/BusWire/", "decodes bytes", files: ["WireBytes.swift"]),
    UnsafePlace("Sources/Adapters/", "calls C libraries"),
    UnsafePlace(
      "Sources/Client/BinaryComm/", "reads messages in place",
      files: ["Blobs/Agent+Blobs.swift", "RawBytes.swift", "Reading/Message.swift"]),
    UnsafePlace(
      "Sources/Client/BinaryComm/", "asks the kernel",
      files: [
        "LocalWord.swift", "Session/ControlSocket.swift", "Session/DescriptorLimit.swift",
        "Session/RouterTrust.swift",
      ]),
    UnsafePlace(
      "Sources/Services/BusRouter/", "maps what agents hand in, locks files, binds the socket",
      files: [
        "ClockPage.swift", "DescriptorTable.swift", "Kernel.swift", "Link.swift",
        "Listener.swift", "LockNote.swift", "PathMark.swift", "RouterLock.swift",
        "RunDirectory.swift", "SegmentInspector.swift",
      ]),
    UnsafePlace(
      "Sources/Tools/BusBench/", "the C floor, pipes, pinned threads, payloads in place",
      files: [
        "ChildProcess.swift", "ChildSupervisor.swift", "Floor.swift", "Machine.swift",
        "PayloadPattern.swift", "PrivateRouter.swift", "ProcessCost.swift", "WorkerLink.swift",
      ]),
    UnsafePlace(
      "Sources/Programs/bcs/", "terminal, signals, files, child processes",
      files: [
        "Check/FileTree.swift", "Check/LeakCheck.swift", "Commands/MessageSender+InPlace.swift",
        "Conversations/ServiceChild.swift", "Output/Output.swift", "System/ChildProcess.swift",
        "System/Guardian.swift", "System/Interrupt.swift", "System/LineReader.swift",
        "System/MappedLogs.swift", "System/ProcessAge.swift", "System/RunDirectoryState.swift",
        "System/Screen.swift", "System/System.swift",
      ]),
    UnsafePlace("Tests/", "tests attack memory on purpose"),
    UnsafePlace("Fuzz/", "fuzzers attack memory on purpose"),
  ]
}
