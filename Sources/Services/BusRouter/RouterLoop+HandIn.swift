import BusRouting
import BusSystem
import BusWire
import CBusPlatform

// What comes beside a frame: memory that an agent hands in, or whatever it passes off as that.

extension RouterLoop {
  /// Takes the descriptors of a frame and looks at them, if the frame may hand in anything; returns
  /// the segments, and how many bytes were looked through for them.
  func segments(
    of record: RecordSocket.Record, with frame: AgentFrame, _ connection: ConnectionID,
    _ user: UInt32
  ) -> (segments: [Segment], bytes: UInt64) {
    guard !record.descriptors.isEmpty || record.lacksDescriptors else { return ([], 0) }
    // Of an agent whose process has ended, or with too many of them, nothing is taken.
    let isWanted =
      buried != connection && record.descriptors.count == frame.kind.descriptorCount
    let offer = isWanted ? state.offer(of: frame, from: connection) : nil
    var bytes: UInt64 = 0
    var segments = record.descriptors.map { descriptor in
      guard plat_seals(descriptor) >= 0 else {
        // Nothing else is asked of it: any call on it, and its close, may wait for its maker.
        discard([descriptor], connection, user)
        return Segment(
          token: table.addNothing(),
          finding: .unusable("The descriptor is no memory file: make it with memfd_create."))
      }
      let look = look(at: descriptor, offer)
      bytes += look.bytes
      return Segment(token: table.add(descriptor), finding: look.finding)
    }
    // The kernel found no place for it in this process: that is no fault of the agent.
    if record.lacksDescriptors {
      segments.append(Segment(token: table.addNothing(), finding: .noDescriptor(outOfDescriptors)))
    }
    return (segments, bytes)
  }

  private func look(at descriptor: Int32, _ offer: SegmentOffer?) -> SegmentInspector.Look {
    guard let offer else {
      return SegmentInspector.Look(
        finding: .unusable("The frame cannot be taken, so its descriptor was not looked at."))
    }
    guard hasDescriptorsLeft else {
      return SegmentInspector.Look(finding: .noDescriptor(outOfDescriptors))
    }
    return inspector.inspect(descriptor, as: offer)
  }

  private var outOfDescriptors: String {
    "The router is out of descriptors (limit \(descriptorsMax)): end some agents."
  }

  /// Closes what an agent handed in and nobody needs, without a wait for whoever made it.
  func discard(_ descriptors: [Int32], _ connection: ConnectionID, _ user: UInt32) {
    guard !descriptors.isEmpty else { return }
    links[connection]?.handedInOther = true
    closer.close(descriptors, of: user)
  }
}
