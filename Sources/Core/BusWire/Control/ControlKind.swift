/// The kinds of frames: below 100 from an agent to the router, from 101 on the other way.
public enum ControlKind: UInt16, CaseIterable, Sendable {
  /// Agent to router: `AgentFrame.hello`.
  case hello = 1
  /// Agent to router: `AgentFrame.register`.
  case register = 2
  /// Agent to router: `AgentFrame.addLog`.
  case addLog = 3
  /// Agent to router: `AgentFrame.retireLog`.
  case retireLog = 4
  /// Agent to router: `AgentFrame.closeStream`.
  case closeStream = 5
  /// Agent to router: `AgentFrame.subscribe`.
  case subscribe = 6
  /// Agent to router: `AgentFrame.unsubscribe`.
  case unsubscribe = 7
  /// Agent to router: `AgentFrame.attach`.
  case attach = 8
  /// Agent to router: `AgentFrame.detach`.
  case detach = 9
  /// Agent to router: `AgentFrame.released`.
  case released = 10
  /// Agent to router: `AgentFrame.joined`.
  case joined = 11
  /// Agent to router: `AgentFrame.joinRefused`.
  case joinRefused = 12
  /// Agent to router: `AgentFrame.evict`.
  case evict = 13
  /// Agent to router: `AgentFrame.query`.
  case query = 14
  /// Agent to router: `AgentFrame.goodbye`.
  case goodbye = 15
  /// Agent to router: `AgentFrame.reattach`.
  case reattach = 16
  /// Agent to router: `AgentFrame.restoreLog`.
  case restoreLog = 17
  /// Agent to router: `AgentFrame.restoreReader`.
  case restoreReader = 18
  /// Agent to router: `AgentFrame.restoreSubscription`.
  case restoreSubscription = 19
  /// Agent to router: `AgentFrame.restoreAttachment`.
  case restoreAttachment = 20
  /// Agent to router: `AgentFrame.restoreDone`.
  case restoreDone = 21
  /// Agent to router: `AgentFrame.answer`.
  case answer = 22
  /// Agent to router: `AgentFrame.resolve`.
  case resolve = 23
  /// Agent to router: `AgentFrame.forget`.
  case forget = 24
  /// Agent to router: `AgentFrame.addCounters`.
  case addCounters = 30
  /// Agent to router: `AgentFrame.watch`.
  case watch = 31
  /// Agent to router: `AgentFrame.addBlob`.
  case addBlob = 32
  /// Agent to router: `AgentFrame.openBlob`.
  case openBlob = 33
  /// Agent to router: `AgentFrame.dropBlob`.
  case dropBlob = 34
  /// Agent to router: `AgentFrame.unwatch`.
  case unwatch = 35
  /// Agent to router: `AgentFrame.reannounce`.
  case reannounce = 36
  /// Router to agent: `RouterFrame.welcome`.
  case welcome = 101
  /// Router to agent: `RouterFrame.registered`.
  case registered = 102
  /// Router to agent: `RouterFrame.logAdded`.
  case logAdded = 103
  /// Router to agent: `RouterFrame.subscribed`.
  case subscribed = 104
  /// Router to agent: `RouterFrame.announce`.
  case announce = 105
  /// Router to agent: `RouterFrame.join`.
  case join = 106
  /// Router to agent: `RouterFrame.joined`.
  case joinedReader = 107
  /// Router to agent: `RouterFrame.leave`.
  case leave = 108
  /// Router to agent: `RouterFrame.agentGone`.
  case agentGone = 109
  /// Router to agent: `RouterFrame.streamEnded`.
  case streamEnded = 110
  /// Router to agent: `RouterFrame.evicted`.
  case evicted = 111
  /// Router to agent: `RouterFrame.snapshotBegin`.
  case snapshotBegin = 112
  /// Router to agent: `RouterFrame.snapshotEnd`.
  case snapshotEnd = 113
  /// Router to agent: `RouterFrame.row`.
  case row = 114
  /// Router to agent: `RouterFrame.queryEnd`.
  case queryEnd = 115
  /// Router to agent: `RouterFrame.error`.
  case error = 116
  /// Router to agent: `RouterFrame.done`.
  case done = 117
  /// Router to agent: `RouterFrame.responders`.
  case responders = 118
  /// Router to agent: `RouterFrame.missed`.
  case missed = 119
  /// Router to agent: `RouterFrame.counters`.
  case counters = 130
  /// Router to agent: `RouterFrame.countersGone`.
  case countersGone = 131
  /// Router to agent: `RouterFrame.blob`.
  case blob = 132

  /// How many descriptors come with a frame of this kind: memory, which the frame tells of.
  public var descriptorCount: Int {
    switch self {
    case .register, .reattach, .addLog, .restoreLog, .addCounters, .addBlob: 1
    case .welcome, .announce, .join, .counters, .blob: 1
    default: 0
    }
  }
}
