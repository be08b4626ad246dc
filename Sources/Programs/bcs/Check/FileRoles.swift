import ArgumentParser
import BinaryComm
import BusCrypto
import BusLog
import BusText
import BusWire

/// Publishes the files of some directories: for each its name, then its bytes in parts.
struct PublishFilesRole: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "role-publish-files", shouldDisplay: false)

  @OptionGroup var common: CommonOptions
  @Option var channel: String
  @Option var root: [String] = []

  func run() throws {
    let session = try Session.open(common, name: "\(channel).publisher")
    var publisher = try session.agent.publisher(on: channel)
    let name = try publisher.topic("\(channel).name")
    let data = try publisher.topic("\(channel).data")
    let more = publisher.handle(data, flags: .more)
    let last = publisher.handle(data, flags: .lastPart)
    let most = publisher.payloadBytesMax
    var (files, parts, bytes) = (0, 0, 0)
    var longestNs: UInt64 = 0
    func send(_ topic: TopicHandle, _ body: [UInt8]) throws {
      let start = System.monotonicNs
      try publisher.publish(topic, bytes: body, timeout: .seconds(30))
      longestNs = max(longestNs, System.monotonicNs - start)
    }
    for file in try FileTree(roots: root).files {
      let body = try Input.file(file.path, limit: MessageSender.bodyMax)
      try send(name, Array(file.name.utf8))
      if body.count <= most {
        try send(data, body)
        parts += 1
      } else {
        for start in stride(from: 0, to: body.count, by: most) {
          let end = min(start + most, body.count)
          try send(end < body.count ? more : last, Array(body[start..<end]))
          parts += 1
        }
      }
      files += 1
      bytes += body.count
    }
    publisher.close()
    session.agent.close()
    let waited = longestNs / 1_000_000
    try Output.write(
      "published files \(files) parts \(parts) bytes \(bytes) waited_ms \(waited)\n")
  }
}

/// Reads files as they come and prints the digest of each.
struct ReadFilesRole: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "role-read-files", shouldDisplay: false)

  @OptionGroup var common: CommonOptions
  @Option var channel: String
  @Option var reader: String

  func run() throws {
    let session = try Session.open(common, name: reader)
    var reader = try session.agent.reader("\(channel).>", mode: .lossless)
    try Output.write("ready\n")
    var ledger = try ReceivedFiles(nameTopic: "\(channel).name")
    var text = ""
    while reader.statistics.ended == 0 {
      // Digests are made from the publisher's own memory, in place.
      let taken = try reader.poll(limit: 64) { message in ledger.take(message) }
      if let problem = ledger.problem { throw problem }
      swap(&text, &ledger.finished)
      if !text.isEmpty { try Output.write(.block(text)) }
      text = ""
      if taken == 0 && reader.statistics.ended == 0 {
        _ = try reader.wait(timeout: .milliseconds(200))
      }
    }
    try ledger.close()
    try Output.write(.block(ledger.finished))
    let gaps = reader.statistics.gaps
    reader.close()
    session.agent.close()
    try Output.write("end files \(ledger.files) bytes \(ledger.bytes) gaps \(gaps)\n")
  }
}

/// The digests of the files that come in as a name and parts.
struct ReceivedFiles: ~Copyable {
  private let nameTopic: String
  private var name: String?
  private var digest: SHA256
  private var size = 0
  private(set) var files = 0
  private(set) var bytes = 0
  private(set) var problem: Failure?
  /// Lines of files that are complete and not yet printed.
  var finished = ""

  init(nameTopic: String) throws {
    self.nameTopic = nameTopic
    digest = try SHA256()
  }

  mutating func take(_ message: borrowing Message) {
    do {
      guard message.topic == nameTopic else {
        try digest.update(message.payload)
        size += message.payload.byteCount
        return
      }
      try close()
      name = String(decoding: message.copy().payload, as: UTF8.self)
    } catch {
      problem = problem ?? Failure("A digest failed: \(error).", remedy: "Check libcrypto.")
    }
  }

  /// Ends the file that is being read.
  mutating func close() throws {
    let hash = try Self.renew(&digest)
    guard let name else { return }
    finished += FileLine.text(hash: hash, bytes: size, name: name)
    files += 1
    bytes += size
    size = 0
    self.name = nil
  }

  private static func renew(_ digest: inout SHA256) throws -> [UInt8] {
    var complete = try SHA256()
    swap(&digest, &complete)
    return try complete.finish()
  }
}

/// How a reader reports a file and how the oracle expects it.
enum FileLine {
  static func text(hash: [UInt8], bytes: Int, name: String) -> String {
    "file \(hex(hash)) \(bytes) \(name.printable)\n"
  }

  static func hex(_ hash: [UInt8]) -> String {
    hash.map { $0 < 16 ? "0" + String($0, radix: 16) : String($0, radix: 16) }.joined()
  }
}
