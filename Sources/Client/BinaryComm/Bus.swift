import BusMemory
import BusSystem
import BusWire
import CBusPlatform

/// The way to the bus: where the router is met.
///
/// ```swift
/// let bus = try Bus.connect()
/// let agent = try bus.register("auditor", category: "security")
/// ```
public struct Bus: Sendable {
  /// The run directory in which the router is met.
  public let directory: String
  let trust: RouterTrust

  /// The bus of a run directory: an explicit path or `shm://PATH`, else `$BCS_DIR`, else
  /// `$XDG_RUNTIME_DIR/bcs`, else `/tmp/bcs-UID`.
  ///
  /// An agent talks only to a router that this user or root runs, in a directory that nobody else
  /// may write to. `routerUser` names one further user to trust, else `$BCS_ROUTER_USER` does, by
  /// name or number: where a policy lets users in who are not the router's own.
  ///
  /// Throws `invalid` for an address of another kind. No connection is made before `register`.
  public static func connect(
    to address: String? = nil, routerUser: UInt32? = nil
  ) throws(BusError) -> Bus {
    let directory = RunDirectory.resolve(address)
    guard !directory.isEmpty, directory.first == "/" || !directory.contains("://") else {
      throw .invalid("'\(directory)' is no run directory; give a path or shm://PATH")
    }
    return Bus(directory: directory, trust: try RouterTrust(option: routerUser))
  }

  /// The user of this host with this name or number, for `routerUser`; nil when there is none.
  public static func user(named text: String) -> UInt32? { RouterTrust.user(text) }

  /// Joins the bus under a name, unique among the living agents of this host.
  ///
  /// Waits for a router up to `options.connectTimeout`. Throws `noRouter`, `nameInUse`, `denied`
  /// (the policy does not give this user the name, or the router is not to be trusted),
  /// `incompatibleVersion`. Raises the process's soft limit of descriptors as far as it may go:
  /// each peer takes some.
  public func register(
    _ name: String, category: String = "", options: AgentOptions = .init()
  ) throws(BusError) -> Agent {
    do throws(AgentNameError) {
      try AgentName.check(name)
    } catch {
      throw .invalid("\(error)")
    }
    if options.undumpable { _ = plat_undumpable() }
    DescriptorLimit.raise()
    let core = try AgentShared(
      directory: directory, trust: trust, name: name, category: category,
      deadline: Deadline(after: options.connectTimeout))
    try core.start()
    return Agent(core)
  }

  /// As the other `register`, suspending instead of blocking.
  public func register(
    _ name: String, category: String = "", options: AgentOptions = .init()
  ) async throws(BusError) -> Agent {
    let bus = self
    return try await blocking { () throws(BusError) in
      try bus.register(name, category: category, options: options)
    }
  }
}
