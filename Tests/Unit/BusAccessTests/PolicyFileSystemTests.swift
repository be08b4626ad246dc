import BusAccess
import BusPolicyFile
import BusTestSupport
import BusWire
import Foundation
import Testing

@Suite("Policy file: the file itself")
struct PolicyFileSystemTests {
  private static let good = "agents:\n  - {name: x, users: [0]}\n"

  private static func problem(_ path: String) -> PolicyFileError.Problem? {
    do {
      _ = try PolicyFile.load(path)
      return nil
    } catch {
      #expect(error.file == path && error.line == nil)
      #expect(error.description.hasPrefix(path + ": ") && error.description.hasSuffix("."))
      return error.problem
    }
  }

  private static func write(_ bytes: Data, to path: String, mode: Int = 0o600) throws {
    try bytes.write(to: URL(fileURLWithPath: path))
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
  }

  @Test("A file only its owner can write is read, to its last byte")
  func reads() throws {
    let directory = try TemporaryDirectory("policy")
    let path = directory.file("policy.yaml")
    try Self.write(Data(Self.good.utf8), to: path, mode: 0o644)
    let policy = try PolicyFile.load(path)
    #expect(policy.mayTakeName(Principal(name: try Topic("x"), uid: 0)).allowed)
    let padding = Data(repeating: UInt8(ascii: "\n"), count: PolicyFile.bytesMax)
    let full = Data(Self.good.utf8) + padding
    try Self.write(full.prefix(PolicyFile.bytesMax), to: path)
    #expect(Self.problem(path) == nil)
    try Self.write(full.prefix(PolicyFile.bytesMax + 1), to: path)
    #expect(Self.problem(path) == .tooLarge)
  }

  @Test("A file that group or others can write is refused", arguments: [0o620, 0o602, 0o666])
  func writableByOthers(mode: Int) throws {
    let directory = try TemporaryDirectory("policy")
    let path = directory.file("policy.yaml")
    try Self.write(Data(Self.good.utf8), to: path, mode: mode)
    #expect(Self.problem(path) == .writableByOthers(mode: UInt32(mode)))
  }

  @Test("Missing files, folders, pipes without a writer and bytes that are no text are refused")
  func notFiles() throws {
    let directory = try TemporaryDirectory("policy")
    #expect(Self.problem(directory.file("absent")) == .unreadable(code: ENOENT))
    #expect(Self.problem(directory.path) == .notAFile)
    let pipe = directory.file("pipe")
    try #require(unsafe mkfifo(pipe, 0o600) == 0)
    #expect(Self.problem(pipe) == .notAFile)
    let bytes = directory.file("bytes")
    try Self.write(Data([0x61, 0xFF, 0x3A]), to: bytes)
    #expect(Self.problem(bytes) == .notUTF8)
  }

  @Test("A file of another user is refused", .enabled(if: geteuid() == 0, "needs root"))
  func foreignOwner() throws {
    let directory = try TemporaryDirectory("policy")
    let path = directory.file("policy.yaml")
    try Self.write(Data(Self.good.utf8), to: path)
    try #require(unsafe chown(path, 4242, 0) == 0)
    #expect(Self.problem(path) == .foreignOwner(uid: 4242))
  }

  @Test("The file is the named one, else the one in the configuration folder, else none")
  func locate() throws {
    let directory = try TemporaryDirectory("policy")
    let folders = [directory.file("xdg"), directory.file("home/.config")]
    let environment = ["XDG_CONFIG_HOME": folders[0], "HOME": directory.file("home")]
    #expect(PolicyFile.locate(explicit: "some/where", environment: environment) == "some/where")
    #expect(PolicyFile.locate(explicit: nil, environment: environment) == nil)
    #expect(PolicyFile.locate(explicit: nil, environment: [:]) == nil)
    for folder in folders {
      try FileManager.default.createDirectory(
        atPath: folder + "/bcs", withIntermediateDirectories: true)
      try Self.write(Data(Self.good.utf8), to: folder + "/bcs/policy.yaml")
    }
    let expected = folders.map { $0 + "/bcs/policy.yaml" }
    #expect(PolicyFile.locate(explicit: nil, environment: environment) == expected[0])
    let relative = ["XDG_CONFIG_HOME": "xdg", "HOME": directory.file("home")]
    #expect(PolicyFile.locate(explicit: nil, environment: relative) == expected[1])
  }

  @Test("Without a file one user may do everything; with a bad one nothing starts")
  func inForce() throws {
    let directory = try TemporaryDirectory("policy")
    let environment = ["XDG_CONFIG_HOME": directory.path]
    let free = try PolicyFile.inForce(explicit: nil, environment: environment, ownUID: 7)
    #expect(free.file == nil)
    #expect(free.policy.mayTakeName(Principal(name: try Topic("x"), uid: 7)).allowed)
    try FileManager.default.createDirectory(
      atPath: directory.file("bcs"), withIntermediateDirectories: false)
    let path = directory.file("bcs/policy.yaml")
    // A link that leads nowhere is a policy that cannot be read, not the absence of one.
    try FileManager.default.createSymbolicLink(
      atPath: path, withDestinationPath: directory.file("gone"))
    #expect(throws: PolicyFileError(file: path, .unreadable(code: ENOENT))) {
      try PolicyFile.inForce(explicit: nil, environment: environment, ownUID: 7)
    }
    try Self.write(Data(Self.good.utf8), to: directory.file("gone"))
    let bound = try PolicyFile.inForce(explicit: nil, environment: environment, ownUID: 7)
    #expect(bound.file == path && !bound.policy.isSameUser)
  }

  @Test("The host's users are found by name")
  func hostUsers() {
    #expect(PolicyFile.uid(of: "root") == 0)
    #expect(PolicyFile.uid(of: "no such user") == nil)
  }

  @Test("The example of the operator's page is a policy and means what the page says")
  func documentedExample() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    let page = try String(
      contentsOf: root.appendingPathComponent("Docs/operating/policy.md"), encoding: .utf8)
    let start = try #require(page.range(of: "```yaml\n"))
    let end = try #require(page.range(of: "\n```", range: start.upperBound..<page.endIndex))
    let users: [String: UInt32] = [
      "director": 1, "monitor": 2, "worker-a": 3, "worker-b": 4, "operator": 5,
    ]
    let policy = try PolicyFile.parse(
      String(page[start.upperBound..<end.lowerBound]), file: "policy.md"
    ) { users[$0] }
    let director = Principal(name: try Topic("director"), uid: 1)
    let monitor = Principal(name: try Topic("monitor"), uid: 0)
    let worker = Principal(name: try Topic("worker.9"), uid: 4)
    let tool = Principal(name: try Topic("cli.sub.77"), uid: 5)
    #expect(policy.mayHoldBack(director, channel: try Topic("tasks")).allowed)
    #expect(!policy.mayHoldBack(director, channel: try Topic("results")).allowed)
    #expect(policy.mayWrite(monitor, topic: try Topic("alerts.disk.sda")).allowed)
    #expect(!policy.mayWrite(monitor, topic: try Topic("alerts.cpu")).allowed)
    #expect(policy.mayCall(worker, service: try Topic("cache.get")).allowed)
    #expect(!policy.mayCall(worker, service: try Topic("monitor")).allowed)
    #expect(!policy.mayRead(director, try TopicPattern("bcs.broadcast")).allowed)
    #expect(policy.mayRead(tool, try TopicPattern("bcs.broadcast")).allowed)
    #expect(policy.quotaBytes(of: director) == 256 << 20)
    #expect(policy.settings(of: try Topic("frames.right")).logBytesMax == 16 << 20)
    #expect(policy.settings(of: try Topic("frames.left")).logBytesMax == nil)
  }
}
