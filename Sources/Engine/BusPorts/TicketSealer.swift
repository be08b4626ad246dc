/// Makes and checks the router's word about an agent, which the agent itself carries.
public protocol TicketSealer {
  /// The 32-byte tag of these bytes under the sealer's key.
  func seal(_ bytes: [UInt8]) -> [UInt8]
  /// Whether the tag is that of these bytes; takes the same time wherever the two differ.
  func verifies(_ tag: [UInt8], for bytes: [UInt8]) -> Bool
}
