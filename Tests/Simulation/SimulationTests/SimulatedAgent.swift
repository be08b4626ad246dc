import BinaryComm
import BusLog
import BusRouting
import BusWire
import RouterHarness

/// An agent with the client's own state machines, for its session, its subscriptions and its
/// streams; without memory, threads and sockets, which the simulation stands for.
struct SimulatedAgent {
  typealias Session = SessionState<Memory, Question>
  /// A log stands as its generation; so does the place of a reading, as the one being read.
  typealias Readings = SubscriptionState<Memory, UInt32, UInt32>
  typealias Publishing = PublisherStreamState<Memory, UInt32>

  /// What a descriptor would be of.
  enum Memory: Hashable, Sendable {
    case reader
    case log(String, generation: UInt32)
  }

  /// What waits for an answer.
  enum Question: Sendable {
    case publish(String)
    case larger(StreamID, generation: UInt32)
    case subscribe(UInt32)
    case name
  }

  struct Stream {
    var state: Publishing
    var window = SimulatedWindow()
  }

  /// What the agent was told that it does not get.
  struct Excuse: Hashable {
    let subscription: UInt32
    let stream: StreamID
  }

  /// What a router said that it says to nobody who keeps the rules, and about whom.
  struct Complaint {
    let text: String
    var publisher: String?
  }

  let kind: String
  let name: String
  /// The process, which stays the same over restarts of the router.
  let pid: Int32
  var session: Session
  var connection: ConnectionID?
  var incarnation = Incarnation(0)
  var ticket = ControlTicket.none
  var incoming: [RouterHarness.Sent] = []
  var subscriptions: [UInt32: Readings] = [:]
  var publishers = PublisherTable<Stream>()
  var excuses: Set<Excuse> = []
  var complaints: [Complaint] = []
  /// It does not tell the next router of its newest subscription: a defect that is put in.
  var isForgetful = false
  /// Questions whose answer was lost with a router: the next one is asked.
  var unanswered: [Question] = []
  var lastSubscription: UInt32 = 0

  init(kind: String, name: String, pid: Int32) {
    self.kind = kind
    self.name = name
    self.pid = pid
    let greeting = Session.Greeting(
      program: "t", name: name, category: "test", id: RouterHarness.uuid(name))
    session = Session(greeting, untilNs: .max)
  }

  /// A router did not take it back.
  var isOver: Bool { session.end != nil }

  var streams: [StreamID: Stream] { publishers.byStream }

  /// Something lies before it or goes out from it.
  func isBusy(nowNs: UInt64) -> Bool {
    let isDue = session.phase == .down && nowNs >= session.dueNs
    return !incoming.isEmpty || session.nextOutbound != nil || isDue
  }

  /// The readings of a subscription that go on.
  func readings(of subscription: UInt32) -> [AttachmentID: Readings.Reading] {
    subscriptions[subscription]?.readings ?? [:]
  }

  // MARK: What the program does

  mutating func act(_ choice: Int, channel: String, pick: Int, nowNs: UInt64) {
    guard kind != "spy" else { return }
    switch choice {
    case 0...1 where kind != "sub": ask(.publish(channel))
    case 2 where !streams.isEmpty: wantLargerLog(at(streams, pick), nowNs: nowNs)
    case 3 where !streams.isEmpty && pick % 3 == 0: close(at(streams, pick))
    case 4...5 where kind != "pub" && subscriptions.count < 3: subscribe(pick)
    case 6 where !subscriptions.isEmpty && pick % 4 == 0: unsubscribe(at(subscriptions, pick))
    case 7 where !subscriptions.isEmpty:
      let number = at(subscriptions, pick)
      let readings = readings(of: number)
      if !readings.isEmpty { leave(at(readings, pick), of: number) }
    case 8:
      let frame = NameFrame(name: "hub.\(pick % 9)", group: .service)
      if pick % 2 == 0 {
        _ = session.ask(.resolve(frame), nil, .name)
      } else {
        session.tell(.forget(frame))
      }
    default: break
    }
    goOver()
    prepareLogs()
  }

  private func at<Key: Comparable, Value>(_ items: [Key: Value], _ pick: Int) -> Key {
    items.keys.sorted()[pick % items.count]
  }

  /// Asks the router, or the next one.
  mutating func ask(_ question: Question) {
    let frame: AgentFrame
    var memory: Memory?
    switch question {
    case .publish(let channel):
      frame = .addLog(publishing(channel).firstLog(Self.shape))
      memory = .log(channel, generation: 0)
    case .subscribe(let number):
      guard let subscription = subscriptions[number] else { return }
      frame = .subscribe(subscription.wish)
    case .larger, .name: return
    }
    if session.ask(frame, memory, question) == nil { unanswered.append(question) }
  }

  mutating func excuse(_ subscription: UInt32, _ stream: StreamID) {
    excuses.insert(Excuse(subscription: subscription, stream: stream))
  }
}
