package import BinaryComm

extension Reader {
  /// Polls until this many streams are read; what is published from then on comes or is a gap.
  package mutating func meet(_ count: Int = 1) throws {
    while statistics.streams < count {
      if try poll({ _ in }) == 0 { breathe() }
    }
  }

  /// Polls until `count` messages were there; returns their numbers.
  package mutating func take(_ count: Int) throws -> [Int] {
    var numbers: [Int] = []
    while numbers.count < count {
      let taken = try poll { numbers.append(number($0.payload)) }
      if taken == 0 { _ = try wait(timeout: .milliseconds(100)) }
    }
    return numbers
  }

  /// Polls until nothing is left; returns copies.
  package mutating func drain() throws -> [ReceivedMessage] {
    var messages: [ReceivedMessage] = []
    while try poll({ messages.append($0.copy()) }) > 0 {}
    return messages
  }
}
