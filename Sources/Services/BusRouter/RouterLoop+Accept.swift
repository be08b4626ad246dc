import BusRouting
import BusSystem
import BusWire
import CBusPlatform
import Glibc
import Logging

extension RouterLoop {
  /// Descriptors that stay free for the router itself.
  private static var descriptorsKept: Int { 32 }

  /// The user who is charged for connections of processes that nobody knows.
  private static var nobody: UInt32 { .max }

  /// What may wait in one socket, in bytes as the kernel counts them: room for some 60 frames.
  private static var sendBytesMax: Int32 { 32 << 10 }

  /// Whether another connection or segment still fits, two descriptors for each connection.
  var hasDescriptorsLeft: Bool {
    links.count * 2 + leaving.count + left.count + table.count + closer.count + Self.descriptorsKept
      < descriptorsMax
  }

  func acceptAll() {
    for _ in 0..<Self.recordsPerTurn {
      let socket = plat_accept(listener)
      if socket == -EAGAIN { return }
      if socket == -EMFILE || socket == -ENFILE {
        refuseWithSpare()
        continue
      }
      guard socket >= 0 else {
        say(.warning, "cannot accept: \(Errno.text(-socket))")
        return
      }
      admit(socket)
    }
  }

  private func admit(_ socket: Int32) {
    guard hasDescriptorsLeft else {
      refuse(socket, of: Self.nobody, Self.outOfDescriptors(descriptorsMax))
      return
    }
    switch PeerCheck.identify(socket) {
    case .failure(let unknown):
      // A probe that connects and closes, as bcs makes it, is not logged.
      say(unknown.hasEnded ? .debug : .notice, "refused a connection: \(unknown.reason)")
      hangUp(socket, of: Self.nobody)
    case .success(let (peer, pidfd)):
      guard !closesTooMuch(peer.uid, hasPart: false) else {
        close(pidfd)
        sayClosesTooMuch(peer.uid)
        hangUp(socket, of: peer.uid)
        return
      }
      guard leavesOthersDescriptors(peer.uid) else {
        close(pidfd)
        let text =
          "Agents of user \(peer.uid) have their share of the router's descriptors (limit "
          + "\(descriptorsMax)) in connections, or unread in their sockets: end some of them, or "
          + "raise the hard limit (ulimit -Hn) and restart the router."
        refuse(socket, of: peer.uid, text)
        return
      }
      // What an agent does not read stays in the kernel, with its descriptors: let that be little.
      Kernel.bound(socket, bytes: Self.sendBytesMax)
      let connection = newConnection()
      let link = Link(socket: socket, pidfd: pidfd, peer: peer)
      guard watch(link, connection) else {
        close(pidfd)
        hangUp(socket, of: peer.uid)
        return
      }
      links[connection] = link
      users[peer.uid, default: UserLoad()].connections += 1
      handle(.connected(connection, peer))
    }
  }

  /// Gives up the spare descriptor for a moment, so that the connection can be told and is not
  /// found waiting again and again.
  private func refuseWithSpare() {
    if spare >= 0 { close(spare) }
    let socket = plat_accept(listener)
    if socket >= 0 { refuse(socket, of: Self.nobody, Self.outOfDescriptors(descriptorsMax)) }
    spare = Kernel.openSpare()
  }

  private static func outOfDescriptors(_ most: Int) -> String {
    "The router is out of descriptors (limit \(most)): end some agents, or raise the hard limit "
      + "(ulimit -Hn) and restart it."
  }

  /// Tells the operator and whoever connected why it is not taken.
  private func refuse(_ socket: Int32, of user: UInt32, _ text: String) {
    say(.error, "a connection is refused: \(text)")
    let frame = RouterFrame.error(ErrorFrame(code: BusErrorCause.descriptors.rawValue, text: text))
    _ = RecordSocket.send(frame.encode(), nil, to: socket)
    hangUp(socket, of: user)
  }
}
