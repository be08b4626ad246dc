package import BinaryComm
import BusTestSupport
import Foundation

/// A router in a directory of its own, and agents of this process that meet it there.
package struct ClientBus: ~Copyable {
  package let directory: String
  private let home: TemporaryDirectory
  private var router: Child

  /// Starts a router with these options; returns when it is ready.
  package init(_ options: [String] = []) throws {
    let home = try TemporaryDirectory("client")
    let directory = home.file("run")
    let router = try Self.start(directory, options)
    self.home = home
    self.directory = directory
    self.router = router
  }

  deinit { router.kill() }

  private static func start(_ directory: String, _ options: [String]) throws -> Child {
    let child = try Child.start(
      try Programs.path("msg_router"),
      ["--dir", directory, "--json", "--log-level", "error"] + options)
    try child.waitForLine(containing: "\"event\":\"ready\"")
    return child
  }

  /// The router's process.
  package var routerPid: Int32 { router.pid }

  /// A new agent.
  package func agent(_ name: String) throws -> Agent {
    try Bus.connect(to: directory).register(name, category: "test")
  }

  /// Ends the router with a signal and waits for its end.
  package func endRouter(_ signal: Int32) throws {
    router.signal(signal)
    try router.wait()
  }

  /// Removes all that the former router left: to the next one every ticket is a stranger's.
  package func forgetRouter() throws {
    for name in try FileManager.default.contentsOfDirectory(atPath: directory) {
      try FileManager.default.removeItem(atPath: directory + "/" + name)
    }
  }

  /// Starts the next router in the same directory.
  package mutating func startRouter(_ options: [String] = []) throws {
    router = try Self.start(directory, options)
  }
}

/// The smallest log, which does not grow: it is full after few messages.
package let smallLog = PublisherOptions(firstLogBytes: 16 << 10, growth: false)

/// The error that the body throws, nil when it throws none.
package func failure(_ body: () throws(BusError) -> Void) -> BusError? {
  do throws(BusError) {
    try body()
    return nil
  } catch {
    return error
  }
}
