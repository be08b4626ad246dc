extension Policy {
  /// Whether some entry gives a name to a user other than this one, who then has to be let in to
  /// the control socket.
  public func namesUsers(otherThan uid: UInt32) -> Bool {
    agents.contains { rule in rule.users.contains { $0 != uid } }
  }

  /// Whether some entry gives a name to this user.
  public func names(user uid: UInt32) -> Bool { agents.contains { $0.users.contains(uid) } }
}
