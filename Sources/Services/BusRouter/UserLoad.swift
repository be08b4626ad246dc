/// What the agents of one user take of the router's process.
struct UserLoad {
  /// Bytes of frames that wait.
  var queuedBytes = 0
  /// Connections, two descriptors each.
  var connections = 0
  /// Sockets of connections that were dropped, and whose agents have not read what lies in them.
  var leftSockets = 0
  /// Descriptors that were sent and may not have been read.
  var inFlight = 0

  /// Descriptors that the router holds open for them, but for segments.
  var descriptors: Int { connections * 2 + leftSockets }
}
