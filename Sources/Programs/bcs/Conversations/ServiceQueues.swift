import BinaryComm
import BusSystem
import BusWire

/// What waits in `bcs reply`: requests for a command, and answers for room at their requesters.
///
/// Both are bounded as those of an agent's own services are: a requester that asks too much or does
/// not read fills its own share.
final class ServiceQueues {
  /// A request that waits for a command.
  struct Job: Sendable {
    let incoming: InboxMessage
    let payload: [UInt8]
    let requester: String
  }
  private struct Place: Hashable, Sendable {
    let peer: PeerID
    let lane: Lane
  }
  private struct Answer: Sendable {
    let incoming: InboxMessage
    let content: Result<[UInt8], BusError>
  }

  private var backlog = RequestBacklog<PeerID, Job>()
  private var parked = StalledParts<Place, Answer>()
  private let common: CommonOptions

  init(_ common: CommonOptions) { self.common = common }

  // MARK: Requests

  /// True when no request waits.
  var isEmpty: Bool { backlog.isEmpty }

  /// Takes a request in, or answers that too much waits; false in that case.
  func take(_ message: borrowing Message, _ incoming: InboxMessage, _ out: inout MessengerContext)
    -> Bool
  {
    // Before its bytes are copied.
    guard backlog.hasRoom(for: incoming.peer) else {
      send(
        incoming,
        .failure(
          .resourceExhausted(
            "\(backlog.count) requests with \(backlog.bytes) bytes wait here already, and one "
              + "requester may hold no more than is left free for the others", cause: .queue)),
        &out)
      return false
    }
    let job = Job(incoming: incoming, payload: message.bytes, requester: message.publisher)
    return backlog.add(job, RequestBacklog.Ticket(incoming, bytes: job.payload.count))
  }

  /// The request whose turn it is, which waits no more.
  func popFirst() -> Job? { backlog.popFirst() }

  /// The requests whose time is over, which wait no more.
  func expire() -> [Job] { backlog.expire(System.monotonicNs) }

  /// What a cancel is about, if it waits.
  func remove(_ cancel: InboxMessage) -> [Job] {
    backlog.remove(cancel.correlationId, of: cancel.peer)
  }

  /// Forgets the requests of these requesters; how many there were.
  func forget(of gone: (PeerID) -> Bool) -> Int { backlog.removeAll(of: gone).count }

  /// Everything that waits for a command.
  func drainAll() -> [Job] { backlog.drainAll() }

  // MARK: Answers

  /// True when no answer waits.
  var isSettled: Bool { parked.isEmpty }

  /// Whether so much waits for a requester that further parts for it should wait, too.
  func isCrowded(_ request: InboxMessage, _ out: borrowing MessengerContext) -> Bool {
    parked.holds(Place(peer: request.peer, lane: request.lane))
      || out.isCrowded(request.peer, request.lane)
  }

  /// Sends the end of a reply, now or when there is room; an error in its place when too much
  /// waits.
  func send(
    _ incoming: InboxMessage, _ content: Result<[UInt8], BusError>, _ out: inout MessengerContext
  ) {
    let place = Place(peer: incoming.peer, lane: incoming.lane)
    let answer = Answer(incoming: incoming, content: content)
    if !parked.holds(place), trySend(answer, &out) { return }
    let bytes = (try? content.get().count) ?? 0
    guard !parked.add(answer, of: bytes, to: place) else { return }
    let refusal = BusError.resourceExhausted(
      "\(parked.bytes >> 20) MiB of replies wait for requesters that do not read", cause: .queue)
    common.log(.warning, "a reply could not be kept: \(refusal.description)")
    // Of a requester that reads nothing at all not even this is kept.
    _ = parked.add(Answer(incoming: incoming, content: .failure(refusal)), of: 0, to: place)
  }

  /// Sends what waited and has room now.
  func retry(_ out: inout MessengerContext) {
    guard !parked.isEmpty else { return }
    let nowNs = System.monotonicNs
    parked.retry { _, answer in
      // Who has given up reads no reply any more.
      if let end = answer.incoming.context.deadlineNs, end <= nowNs { return true }
      return trySend(answer, &out)
    }
  }

  /// False when it must wait.
  private func trySend(_ answer: Answer, _ out: inout MessengerContext) -> Bool {
    let incoming = answer.incoming
    guard !out.isCrowded(incoming.peer, incoming.lane) else { return false }
    do throws(BusError) {
      switch answer.content {
      case .success(let payload): try out.reply(to: incoming, payload)
      case .failure(let error): try out.fail(incoming, error)
      }
    } catch {
      common.log(.warning, "a reply could not be sent: \(error.description)")
      // What cannot be sent as it is must not leave the requester waiting.
      if error.code != .peerDied { try? out.fail(incoming, error) }
    }
    return true
  }
}
