public import BusFuzz

/// The targets of the engine and its policy.
public enum EngineTargets {
  /// In the order in which they are documented.
  public static var all: [any FuzzTarget.Type] { [RouterTarget.self, PolicyTarget.self] }
}
