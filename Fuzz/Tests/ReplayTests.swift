import BusFuzz
import BusFuzzEngine
import BusTestSupport
import BusWire
import Foundation
import Testing

/// The corpora of the fuzzers, and inputs that once broke something, on every test run; a small
/// search besides.
@Suite("Corpora of the fuzzers", .serialized)
struct ReplayTests {
  private static var targets: [any FuzzTarget.Type] { CoreTargets.all + EngineTargets.all }
  static var names: [String] { targets.map { $0.name } }
  private static let corpora = Programs.root + "/Fuzz/Corpus"

  private static func files(of name: String) throws -> [(name: String, bytes: [UInt8])] {
    let folder = "\(corpora)/\(name)"
    return try FileManager.default.contentsOfDirectory(atPath: folder).sorted().map { file in
      let data = try #require(FileManager.default.contents(atPath: "\(folder)/\(file)"))
      return (file, [UInt8](data))
    }
  }

  /// What is broken by these bytes, nil when nothing is.
  private static func run(_ target: any FuzzTarget, _ bytes: [UInt8]) -> String? {
    unsafe bytes.withUnsafeBytes { raw in
      var input = unsafe FuzzInput(raw)
      do throws(Broken) { try target.run(&input) } catch { return error.description }
      return nil
    }
  }

  @Test("every input of a corpus holds", arguments: names)
  func replay(name: String) throws {
    let kind = try #require(Self.targets.first { $0.name == name })
    let target = try kind.init()
    let files = try Self.files(of: name)
    #expect(files.count >= 5, "run BCS_WRITE_SEEDS=1 swift test -c release --filter FuzzTests")
    Watchdog.bounding("the corpus of \(name)", seconds: 120) {
      for file in files {
        let found = Self.run(target, file.bytes)
        #expect(found == nil, "Fuzz/Corpus/\(name)/\(file.name)")
      }
    }
  }

  @Test("the seeds in a corpus are those of its target", arguments: names)
  func seeds(name: String) throws {
    let kind = try #require(Self.targets.first { $0.name == name })
    let seeds = kind.seeds()
    let environment = ProcessInfo.processInfo.environment
    if environment["BCS_WRITE_SEEDS"] != nil { try Self.write(seeds, of: name) }
    let kept = try Self.files(of: name).filter { $0.name.hasPrefix("seed-") }
    #expect(kept.map(\.bytes) == seeds, "BCS_WRITE_SEEDS=1 writes them anew")
  }

  private static func write(_ seeds: [[UInt8]], of name: String) throws {
    let folder = "\(corpora)/\(name)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    for file in try FileManager.default.contentsOfDirectory(atPath: folder)
    where file.hasPrefix("seed-") {
      try FileManager.default.removeItem(atPath: "\(folder)/\(file)")
    }
    for (place, seed) in seeds.enumerated() {
      let number = String(place + 1000).dropFirst()
      try Data(seed).write(to: URL(fileURLWithPath: "\(folder)/seed-\(number)"))
    }
  }

  @Test("random changes of a corpus hold", arguments: names)
  func search(name: String) throws {
    let kind = try #require(Self.targets.first { $0.name == name })
    let target = try kind.init()
    let inputs = try Self.files(of: name).map(\.bytes)
    var random = Seed.announced(for: "search of \(name)").generator()
    Watchdog.bounding("a search of \(name)", seconds: 120) {
      for _ in 0..<4000 {
        let bytes = Self.changed(inputs, limit: kind.bytesMax, &random)
        let found = Self.run(target, bytes)
        #expect(found == nil, "\(name): \(bytes)")
        if found != nil { return }
      }
    }
  }

  private static func changed(
    _ inputs: [[UInt8]], limit: Int, _ random: inout SplitMix64
  ) -> [UInt8] {
    guard var bytes = inputs.randomElement(using: &random) else { return [] }
    if Bool.random(using: &random), let more = inputs.randomElement(using: &random) {
      bytes += more
    }
    for _ in 0..<Int.random(in: 1...6, using: &random) where !bytes.isEmpty {
      let at = Int.random(in: 0..<bytes.count, using: &random)
      switch Int.random(in: 0..<4, using: &random) {
      case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
      case 1: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
      case 2: bytes.remove(at: at)
      default: bytes.insert(UInt8.random(in: 0...255, using: &random), at: at)
      }
    }
    return Array(bytes.prefix(limit))
  }

  @Test("a target that is broken by an input is reported, and one that holds is not")
  func control() {
    #expect(Self.run(BrokenTarget(), [1, 2]) == "a two")
    #expect(Self.run(BrokenTarget(), [1, 3]) == nil)
  }

  @Test("the fields written for each kind of frame of an agent decode")
  func frameFields() {
    let kinds = ControlKind.allCases.filter { kind in
      // Frames of a router have numbers from 101 on; 23 is less than an agent has.
      kind.rawValue < 100
    }
    #expect(kinds.count >= 23)
    for kind in kinds {
      #expect(FramesTarget.writes(kind), "\(kind): its fields belong into FrameFields.rows")
    }
  }
}

/// Breaks on a two.
private final class BrokenTarget: FuzzTarget {
  static let name = "broken"
  static let bytesMax = 4
  func run(_ input: inout FuzzInput) throws(Broken) {
    while input.left > 0 {
      if input.byte() == 2 { throw Broken("a two") }
    }
  }
  static func seeds() -> [[UInt8]] { [] }
}
