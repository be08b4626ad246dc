import BusPorts
import BusWire

extension RouterState {
  /// Takes one frame: who may send it in this state, and with how many descriptors.
  mutating func handle(_ frame: AgentFrame, _ segments: [Segment], from asker: Requester) {
    guard let connection = connections[asker.connection] else {
      closeAll(segments)
      return
    }
    guard segments.count == frame.kind.descriptorCount else {
      closeAll(segments)
      let text =
        "A \(frame.kind) frame comes with \(frame.kind.descriptorCount) descriptors, "
        + "this one came with \(segments.count)."
      refuse(asker, .invalid, text)
      act(.drop(asker.connection, reason: text))
      return
    }
    // No welcome either: its descriptor would lie unread in the sockets of who comes ever again.
    guard !connection.isStranger || frame == .goodbye else {
      closeAll(segments)
      refuse(asker, .denied, strangerText(connection.peer))
      return
    }
    switch frame {
    case .hello(let hello): greet(hello, asker)
    case .register(let register): self.register(register, segments[0], asker)
    case .reattach(let reattach): self.reattach(reattach, segments[0], asker)
    case .query(let query): self.query(query.subject, asker)
    case .goodbye: act(.drop(asker.connection, reason: "goodbye"))
    default:
      guard let agent = connection.agent else {
        closeAll(segments)
        refuse(asker, .invalid, "A \(frame.kind) frame needs an agent: send register first.")
        return
      }
      if !stragglers.isEmpty, fence(agent) { return closeAll(segments) }
      handle(frame, segments.first, of: agent, asker)
    }
  }

  private mutating func handle(
    _ frame: AgentFrame, _ segment: Segment?, of agent: Incarnation, _ asker: Requester
  ) {
    switch frame {
    case .addLog(let frame): if let segment { addLog(frame, segment, of: agent, asker) }
    case .retireLog(let frame): retireLog(frame, of: agent, asker)
    case .closeStream(let frame): closeStream(frame, of: agent, asker)
    case .subscribe(let frame): subscribe(frame, of: agent, asker)
    case .unsubscribe(let frame): unsubscribe(frame.subscription, of: agent)
    case .reannounce(let frame): reannounce(frame, of: agent, asker)
    case .attach(let frame): attach(frame, of: agent, asker)
    case .detach(let frame): detach(frame.attachment, of: agent)
    case .released(let frame): released(frame, of: agent)
    case .joined(let frame): joined(frame, of: agent, asker)
    case .joinRefused(let frame): evict(frame.attachment, frame.reason, of: agent)
    case .evict(let frame): evict(frame.attachment, frame.reason, of: agent)
    case .answer(let frame): answerName(frame, of: agent, asker)
    case .resolve(let frame): resolve(frame, of: agent, asker)
    case .forget(let frame): forget(frame, of: agent, asker)
    case .addCounters(let frame): if let segment { addCounters(frame, segment, of: agent, asker) }
    case .watch: watch(of: agent, asker)
    case .unwatch: unwatch(of: agent, asker)
    case .addBlob(let frame): if let segment { addBlob(frame, segment, of: agent, asker) }
    case .openBlob(let frame): openBlob(frame, asker)
    case .dropBlob(let frame): dropBlob(frame, of: agent)
    case .restoreLog, .restoreReader, .restoreSubscription, .restoreAttachment, .restoreDone:
      handleRestore(frame, segment, of: agent, asker)
    // Handled before, of an agent or not; no default, so that a forgotten frame does not compile.
    case .hello, .register, .reattach, .query, .goodbye: break
    }
  }

  private mutating func handleRestore(
    _ frame: AgentFrame, _ segment: Segment?, of agent: Incarnation, _ asker: Requester
  ) {
    guard agents[agent]?.handingIn == .underWay else {
      if let segment { act(.close(segment.token)) }
      refuse(asker, .invalid, "Only an agent that reattached may restore, before restoreDone.")
      return
    }
    switch frame {
    case .restoreLog(let frame): if let segment { restoreLog(frame, segment, of: agent, asker) }
    case .restoreReader(let frame): restoreReader(frame, of: agent, asker)
    case .restoreSubscription(let frame): restoreSubscription(frame, of: agent, asker)
    case .restoreAttachment(let frame): restoreAttachment(frame, of: agent, asker)
    case .restoreDone:
      agents[agent]?.handingIn = .done
      answer(asker, .done)
    default: break
    }
  }
}
