/// What one worker process is to do; it travels as JSON in the worker's arguments.
struct WorkerPlan: Codable, Equatable {
  enum Role: String, Codable {
    /// Publishes on the channel.
    case publish
    /// Reads the channel.
    case read
    /// Publishes on the channel, waits for each answer on the other.
    case ping
    /// Answers.
    case pong
    /// Sends requests.
    case ask
    /// Answers requests.
    case serve
  }

  var role: Role
  /// Its number among those of its role, from 0.
  var index: Int
  /// The CPU to run on; nil: any.
  var cpu: Int32?
  var bench: BenchPlan
  /// The run directory of the router.
  var directory: String
  /// The rate of the CPU's counter.
  var ticksPerNs: Double
  /// The channel; answers go to the one with `back` behind its name.
  var channel: String

  /// The worker in messages.
  var name: String {
    switch role {
    case .publish: "publisher \(index)"
    case .read: "reader \(index)"
    case .ping, .pong, .ask, .serve: role.rawValue
    }
  }

  /// The channel of the answers.
  var channelBack: String { channel + "back" }
}

/// One line from a worker to the program that started it.
struct WorkerLine: Codable {
  enum Event: String, Codable {
    /// The router is there; only its keeper tells this.
    case ready
    /// Its reader is there; publishers may come.
    case subscribed
    /// Its publisher is there and warm.
    case prepared
    /// The warm-up of every publisher has arrived.
    case attached
    /// All is done.
    case finished
    /// It cannot go on.
    case failed
  }

  var event: Event
  var result: WorkerResult?
  var failure: WorkerFailure?
}

/// What a worker did and saw.
struct WorkerResult: Codable, Equatable {
  /// Messages it published, warm-up included.
  var sent: UInt64 = 0
  /// Messages it received and checked, warm-up included.
  var received: UInt64 = 0
  var corrupt: UInt64 = 0
  var duplicate: UInt64 = 0
  var outOfOrder: UInt64 = 0
  /// The counter before the first message behind the warm-up.
  var began: UInt64?
  /// The counter after the last message.
  var ended: UInt64?
  var latencies: [LatencyCount] = []

  mutating func note(_ audit: DeliveryAudit) {
    received = audit.received
    corrupt = audit.corrupt
    duplicate = audit.duplicate
    outOfOrder = audit.outOfOrder
  }
}

/// Why a worker cannot go on.
struct WorkerFailure: Error, Codable, Equatable {
  var text: String
  var exitCode: Int32
}

/// The bytes a worker gets on its standard input, one at a time; its end ends the worker.
enum WorkerStage: Int {
  case begun = 0
  /// Create the publisher and warm up.
  case prepare = 1
  /// Measure.
  case go = 2
  /// The program has all results.
  case end = 3
}
