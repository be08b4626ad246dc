import BusRouting
import RouterHarness

// A router that has more to do than one turn takes, and what happens in between.

extension Interleaving {
  /// As if there were thousands of streams when agents have come back: one is settled, and others
  /// have their turn.
  mutating func settleInTurns() {
    world.router.settledPerTurn = 1
    world.getsOn = false
  }

  /// The router gets on, sooner or later.
  mutating func mayTakeTurn() {
    if !world.getsOn, number(3) == 0, world.getOn() { spread() }
  }

  /// It gets on until nothing is left, and from here on at once.
  mutating func takeAllTurns() {
    world.getsOn = true
    while world.getOn() {}
    spread()
  }
}
