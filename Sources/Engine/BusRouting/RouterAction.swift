public import BusPorts
public import BusWire

/// What kind of frame it is, which decides whether it may be dropped when the agent does not read.
public enum Delivery: Hashable, Sendable {
  /// Answers this request; never dropped.
  case answer(UInt32)
  /// May be dropped when too much waits; a snapshot makes up for it.
  case news
  /// Part of a snapshot; dropped only together with the rest of it, for a later one.
  case snapshot
}

/// How much a log line matters.
public enum LogImportance: Hashable, Sendable {
  /// For who looks for a fault.
  case debug
  /// What an operator expects to see.
  case notice
  /// What an operator should look at.
  case warning
}

/// What is to be done now, in this order.
public enum RouterAction: Hashable, Sendable {
  /// Send a frame, with this descriptor beside it.
  case send(ConnectionID, Delivery, RouterFrame, DescriptorToken?)
  /// The engine needs this descriptor no more; frames that still wait may.
  case close(DescriptorToken)
  /// End the connection once what waits is sent as far as the socket takes it.
  case drop(ConnectionID, reason: String)
  /// Give `goOn` for this connection, and take nothing of it before, once what waits for it is sent
  /// and others had their turn.
  case unfinished(ConnectionID)
  /// Give `nextTurn` once others had their turn.
  case moreToDo
  /// Tell the operator.
  case log(LogImportance, String)
}
