// swift-tools-version: 6.3
// Reads as the architecture: one line per target, layer by layer, with what it may use.
// The arrows are held by Tests/Tidy; Docs/adr/ has the reasons.
import PackageDescription

let settings: [SwiftSetting] = [
  .strictMemorySafety(),  // SE-0458
  .enableUpcomingFeature("ExistentialAny"),  // SE-0335
  .enableUpcomingFeature("InternalImportsByDefault"),  // SE-0409
  .enableUpcomingFeature("MemberImportVisibility"),  // SE-0444
  .treatAllWarnings(as: .error),
]
let spans = settings + [.enableExperimentalFeature("Lifetimes")]  // SE-0446: borrowed views
let c: [CSetting] = [.define("_GNU_SOURCE"), .treatAllWarnings(as: .error)]

let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let yaml: Target.Dependency = .product(name: "Yams", package: "Yams")
let histogram: Target.Dependency = .product(name: "Histogram", package: "hdrhistogram-swift")
let deque: Target.Dependency = .product(name: "DequeModule", package: "swift-collections")
let containers: Target.Dependency = .product(name: "BasicContainers", package: "swift-collections")

/// A library or program of one layer: its sources lie in `Sources/<layer>/<name>`.
func module(
  _ layer: String, _ name: String, uses: [Target.Dependency] = [], _ swift: [SwiftSetting] = settings
) -> Target {
  .target(name: name, dependencies: uses, path: "Sources/\(layer)/\(name)", swiftSettings: swift)
}
func program(_ name: String, uses: [Target.Dependency]) -> Target {
  .executableTarget(
    name: name, dependencies: uses, path: "Sources/Programs/\(name)", swiftSettings: settings)
}
func contract(_ name: String) -> Target {
  .target(name: name, path: "Sources/Contract/\(name)", cSettings: c)
}
/// Headers of the system; without names they are those of the C library.
func system(_ name: String, _ pkgConfig: String? = nil, _ debian: String...) -> Target {
  .systemLibrary(
    name: name, path: "Sources/Contract/\(name)", pkgConfig: pkgConfig,
    providers: debian.isEmpty ? nil : [.apt(debian)])
}
func fuzz(_ folder: String, _ name: String, uses: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: uses, path: "Fuzz/\(folder)", swiftSettings: spans)
}
func tests(
  _ folder: String, _ name: String, uses: [Target.Dependency], data: [String] = []
) -> Target {
  .testTarget(
    name: name, dependencies: uses, path: "Tests/\(folder)/\(name)", exclude: data,
    swiftSettings: spans)
}

let package = Package(
  name: "binary-communication-system",
  products: [
    .library(name: "BinaryComm", targets: ["BinaryComm"]),
    .executable(name: "msg_router", targets: ["msg_router"]),
    .executable(name: "bcs", targets: ["bcs"]),
    .executable(name: "test_throughput", targets: ["test_throughput"]),
    .executable(name: "test_latency", targets: ["test_latency"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
  ],
  targets: [
    // Contract: where every byte lies, and what the kernel gives.
    contract("CBusABI"), contract("CBusPlatform"), contract("CBusFloor"),
    system("CEpoll"), system("CHwloc", "hwloc", "libhwloc-dev"), system("COpenSSL", "libcrypto", "libssl-dev"),

    // Core: no packages, no Foundation, no I/O beyond mmap.
    module("Core", "BusSystem", uses: ["CBusPlatform"]),
    module("Core", "BusWire", uses: ["CBusABI", "CBusPlatform"], spans),
    module("Core", "BusMemory", uses: ["BusSystem", "CBusABI", "CBusPlatform"], spans),
    module("Core", "BusCounters", uses: ["BusWire", "BusMemory", "CBusABI", "CBusPlatform"], spans),
    module("Core", "BusLog", uses: ["BusWire", "BusMemory", "BusCounters", "CBusABI", "CBusPlatform"], spans),

    // Engine: events in, actions out; no clock, socket or file.
    module("Engine", "BusAccess", uses: ["BusWire"]),
    module("Engine", "BusPorts"),
    module("Engine", "BusRouting", uses: ["BusWire", "BusAccess", "BusPorts", deque]),

    // Adapters: one heavy thing each.
    module("Adapters", "BusHardware", uses: ["CHwloc", "CBusPlatform"]),
    module("Adapters", "BusPolicyFile", uses: ["BusAccess", "BusSystem", "BusWire", yaml]),
    module("Adapters", "BusCrypto", uses: ["BusPorts", "COpenSSL"]),
    module("Adapters", "BusDispatcher", uses: ["BusPorts", "CEpoll"]),

    // Client: meets the router in shared memory and on the control socket only.
    module("Client", "BinaryComm", uses: ["BusSystem", "BusWire", "BusMemory", "BusCounters", "BusLog", "CBusABI", "CBusPlatform", deque, containers], spans),

    // Services: what works for agents, each in a process of its own.
    module(
      "Services", "BusRouter",
      uses: ["BusRouting", "BusAccess", "BusPorts", "BusSystem", "BusWire", "BusMemory", "BusCounters", "BusLog", "CBusABI", "CBusPlatform", logging, deque]),

    // Tools: what programs are made of.
    module("Tools", "BusOptions", uses: ["BusRouting", arguments]),
    module("Tools", "BusText"),
    module("Tools", "BusJSON", uses: ["BusText"]),
    module("Tools", "BusAdmin", uses: ["BusCounters", "BusText"]),
    module("Tools", "BusTerminal", uses: ["BusAdmin", "BusCounters", "BusText"]),
    module("Tools", "BusBench", uses: ["BinaryComm", "BusJSON", "BusSystem", "BusText", "BusLog", "BusWire", "CBusFloor", "CBusPlatform", arguments, histogram], spans),

    // Programs: executables only.
    program("msg_router", uses: ["BusRouter", "BusOptions", "BusJSON", "BusSystem", "BusText", "BusPolicyFile", "BusCrypto", "BusDispatcher", "BusHardware", "BusPorts", "CBusPlatform", arguments, logging]),
    program("bcs", uses: ["BinaryComm", "BusAdmin", "BusTerminal", "BusSystem", "BusLog", "BusWire", "BusCounters", "BusBench", "BusOptions", "BusJSON", "BusText", "BusHardware", "BusCrypto", "BusPolicyFile", "CBusABI", "CBusPlatform", arguments]),
    program("test_throughput", uses: ["BusBench", arguments]),
    program("test_latency", uses: ["BusBench", arguments]),
    program("example_chat", uses: ["BinaryComm", "BusText"]),
    program("example_gather", uses: ["BinaryComm", "BusText"]),

    // Tests.
    .target(
      name: "BusTestSupport", dependencies: ["BusSystem"], path: "Tests/Support", exclude: ["CAllocationCount"], swiftSettings: settings),
    .target(name: "CAllocationCount", path: "Tests/Support/CAllocationCount", cSettings: c),
    tests("Unit", "BusSystemTests", uses: ["BusSystem", "BusTestSupport"]),
    tests("Unit", "BusWireTests", uses: ["BusWire", "CBusABI", "BusTestSupport"], data: ["Golden"]),
    tests("Unit", "BusMemoryTests", uses: ["BusMemory", "CBusPlatform", "BusTestSupport"]),
    tests("Unit", "BusCountersTests", uses: ["BusCounters", "BusMemory", "BusWire", "CBusABI", "CBusPlatform", "BusTestSupport"]),
    tests("Unit", "BusLogTests", uses: ["BusLog", "BusCounters", "BusMemory", "BusWire", "CBusPlatform", "BusTestSupport", "CAllocationCount"]),
    tests("Unit", "BinaryCommTests", uses: ["BinaryComm", "BusWire", "BusTestSupport", "CAllocationCount"]),
    tests("Unit", "BusAccessTests", uses: ["BusAccess", "BusPolicyFile", "BusWire", "BusTestSupport"]),
    tests(
      "Unit", "BusRoutingTests",
      uses: ["BusRouting", "BusAccess", "BusPorts", "BusWire", "BusCrypto", "BusTestSupport", "RouterHarness"]),
    .target(
      name: "RouterHarness", dependencies: ["BusRouting", "BusAccess", "BusPorts", "BusWire", "BusCrypto"],
      path: "Tests/Simulation/RouterHarness", swiftSettings: settings),
    tests(
      "Simulation", "SimulationTests",
      uses: [
        "BinaryComm", "BusRouting", "BusAccess", "BusLog", "BusPorts", "BusWire", "BusCrypto", "BusTestSupport",
        "RouterHarness",
      ]),
    tests("Conformance", "DispatcherTests", uses: ["BusPorts", "BusDispatcher", "BusSystem", "CBusPlatform", "BusTestSupport", "CAllocationCount"]),
    tests("Unit", "BusTextTests", uses: ["BusText", "BusJSON", "BusTestSupport"]),
    tests("Unit", "BusAdminTests", uses: ["BusAdmin", "BusTerminal", "BusText", "BusCounters", "BusTestSupport"]),
    tests("Unit", "BusHardwareTests", uses: ["BusHardware", "BusTestSupport"]),
    tests("Unit", "BusOptionsTests", uses: ["BusOptions", arguments]),
    tests("Unit", "BusBenchTests", uses: ["BusBench", "BusJSON", "BusTestSupport", arguments]),
    // Programs as they run: a router, agents of the library, commands.
    .target(
      name: "ProcessSupport", dependencies: ["BusTestSupport", "BinaryComm", "BusSystem", "BusWire", "CBusABI", "CBusPlatform"],
      path: "Tests/Process/Support", swiftSettings: spans),
    tests("Process", "RouterTests", uses: ["ProcessSupport", "BusTestSupport", "BusSystem", "BusWire", "CBusABI", "CBusPlatform"]),
    tests("Process", "ClientTests", uses: ["ProcessSupport", "BusTestSupport", "CAllocationCount", "BinaryComm", "BusLog", "BusSystem", "BusWire", "CBusABI", "CBusPlatform"]),
    tests("Process", "MessagingTests", uses: ["ProcessSupport", "BusTestSupport", "BinaryComm", "BusCounters", "BusLog", "BusWire"]),
    tests("Process", "CounterTests", uses: ["ProcessSupport", "BusTestSupport", "BinaryComm", "BusAdmin", "BusCounters", "BusLog", "BusWire", "CBusABI"]),
    tests("Process", "CLITests", uses: ["ProcessSupport", "BusTestSupport", "BinaryComm", "BusLog", "BusText", "BusWire", "CBusPlatform"]),
    tests("Process", "DocumentTests", uses: ["ProcessSupport", "BusTestSupport", "BinaryComm"]),
    tests("Process", "BenchTests", uses: ["ProcessSupport", "BusTestSupport"]),
    tests(
      "Hostile", "HostileTests",
      uses: [
        "BinaryComm", "BusCounters", "BusLog", "BusMemory", "BusWire", "CBusABI", "CBusPlatform",
        "BusTestSupport",
      ]),
    tests("Tidy", "TidyTests", uses: ["BusTestSupport"]),

    // Fuzz: what must hold for any bytes; replayed by the tests, searched by Scripts/fuzz.sh.
    fuzz("Targets", "BusFuzz", uses: ["BusLog", "BusCounters", "BusMemory", "BusWire", "CBusABI"]),
    fuzz("Engine", "BusFuzzEngine", uses: ["BusFuzz", "BusRouting", "BusAccess", "BusPorts", "BusPolicyFile", "BusWire"]),
    .testTarget(
      name: "FuzzTests", dependencies: ["BusFuzz", "BusFuzzEngine", "BusTestSupport", "BusWire"],
      path: "Fuzz/Tests", swiftSettings: spans),
  ]
)

// They link only with the fuzzer's runtime, so the ordinary build leaves them out: Scripts/fuzz.sh.
if Context.environment["BCS_FUZZ"] != nil {
  package.targets += [
    .executableTarget(
      name: "fuzz_core", dependencies: ["BusFuzz"], path: "Fuzz/Programs/fuzz_core",
      swiftSettings: settings),
    .executableTarget(
      name: "fuzz_engine", dependencies: ["BusFuzz", "BusFuzzEngine"],
      path: "Fuzz/Programs/fuzz_engine", swiftSettings: settings),
  ]
}
// Shares one mapping between writer and readers, for ThreadSanitizer: see Scripts/races.sh.
if Context.environment["BCS_RACES"] != nil {
  package.targets += [
    .target(name: "CRaceMutex", path: "Tests/Race/CRaceMutex", cSettings: c),
    .executableTarget(
      name: "race_check",
      dependencies: ["BinaryComm", "BusLog", "BusMemory", "BusWire", "CBusABI", "CBusPlatform", "CRaceMutex"],
      path: "Tests/Race/race_check", swiftSettings: settings),
  ]
}

// [closure] Every target names all it is built on, directly or not. SwiftPM compiles a target again
// when a module it names was written anew; a module whose own interface stays the same is not, even
// when the layout of its types changed with a module below it. Scripts/rebuild-check.sh shows both.
extension Target {
  var named: [String] {
    dependencies.compactMap { if case .byNameItem(let name, _) = $0 { name } else { nil } }
  }
  func everything(in all: [Target]) -> Set<String> {
    let below = all.filter { named.contains($0.name) }
    return below.reduce(into: Set(named)) { $0.formUnion($1.everything(in: all)) }
  }
}
for target in package.targets {
  let missing = target.everything(in: package.targets).subtracting(target.named)
  target.dependencies += missing.sorted().map { .byName(name: $0) }
}
