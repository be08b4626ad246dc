import BusSystem
import BusWire
import CBusPlatform
import Glibc

/// Whose router an agent talks to: its own user's, root's, or that of a user it was told of.
///
/// Whoever listens at the path is otherwise given this agent's memory and believed in everything.
struct RouterTrust: Sendable, Equatable {
  /// A further user whose router is trusted.
  let routerUser: UInt32?

  /// The environment variable that names that user, by number or by name.
  static let variable = "BCS_ROUTER_USER"

  init(routerUser: UInt32?) { self.routerUser = routerUser }

  /// What the caller says, else what the environment says.
  init(option: UInt32?) throws(BusError) {
    guard option == nil, let text = ProcessEnvironment.variable(Self.variable) else {
      self.init(routerUser: option)
      return
    }
    guard let user = Self.user(text) else {
      throw .invalid(
        "\(Self.variable) is '\(text)', which is no user of this host: give a name "
          + "or a number")
    }
    self.init(routerUser: user)
  }

  func trusts(_ user: UInt32) -> Bool { user == geteuid() || user == 0 || user == routerUser }

  /// Throws when a run directory could have been made, or filled, by somebody else.
  ///
  /// A directory that cannot be looked at says nothing; connecting will.
  func check(directory: String) throws(BusError) {
    var facts = stat()
    guard unsafe stat(directory, &facts) == 0 else { return }
    guard facts.st_mode & S_IFMT == S_IFDIR else {
      throw .invalid(
        "\(directory) is no directory: name the router's run directory with --dir or BCS_DIR")
    }
    guard trusts(facts.st_uid) else {
      throw .denied(
        "the run directory \(directory) belongs to user \(facts.st_uid), neither to this user "
          + "(\(geteuid())) nor to root: \(advice(facts.st_uid))")
    }
    guard RunDirectoryRule.isWritableByOwnerOnly(mode: facts.st_mode) else {
      let mode = String(facts.st_mode & 0o7777, radix: 8)
      throw .denied(
        "other users may write to the run directory \(directory) (mode \(mode)), so anybody may "
          + "pretend to be its router: run `chmod go-w \(directory)`, or name another directory "
          + "with --dir or BCS_DIR")
    }
  }

  /// Throws when the process that listens is run by somebody else.
  func check(peerOf socket: FileDescriptor, in directory: String) throws(BusError) {
    var pid: pid_t = 0
    var user: uid_t = 0
    var group: gid_t = 0
    let failed = unsafe plat_peer_credentials(socket.number, &pid, &user, &group)
    guard failed == 0 else {
      throw .system("whose router this is cannot be asked: \(Errno.text(-failed))")
    }
    guard trusts(user) else {
      throw .denied(
        "process \(pid), which answers in \(directory), is run by user \(user), neither by this "
          + "user (\(geteuid())) nor by root: \(advice(user))")
    }
  }

  private func advice(_ user: UInt32) -> String {
    "give --router-user \(user), or set \(Self.variable)=\(user), if you trust that user with all "
      + "that this agent sends, or name a directory of your own with --dir or BCS_DIR"
  }

  /// A user by number or by name; nil: this host has none such.
  static func user(_ text: String) -> UInt32? {
    if let number = UInt32(text) { return number }
    var entry = unsafe passwd()
    var found: UnsafeMutablePointer<passwd>?
    var room = [CChar](repeating: 0, count: 16384)
    let size = room.count
    let failed = unsafe getpwnam_r(text, &entry, &room, size, &found)
    guard failed == 0, unsafe found != nil else { return nil }
    return unsafe entry.pw_uid
  }
}
