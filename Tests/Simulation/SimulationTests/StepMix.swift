import BusTestSupport

/// How often what happens in one history, drawn for each.
///
/// With the same rates for all, whatever ends agents early hides the faults that need them to live
/// long, and the other way round (A. Groce et al., Swarm Testing, ISSTA 2012).
struct StepMix {
  enum Step: CaseIterable {
    case kill
    case restart
    case tick
    case dropNews
    case act
    case calm
    case take
    case send
  }

  private let weights: [(step: Step, weight: Int)]

  init(_ random: inout SplitMix64) {
    weights = Step.allCases.map { step in
      let choices = Self.choices(of: step)
      return (step, choices[Int(random.next() % UInt64(choices.count))])
    }
  }

  private static func choices(of step: Step) -> [Int] {
    switch step {
    case .kill: [1, 1, 4]
    case .restart: [1, 4, 4]
    case .tick: [4, 8]
    case .dropNews: [1, 4]
    case .act: [24, 48]
    case .calm: [1, 4, 8]
    case .take: [56]
    case .send: [80]
    }
  }

  var total: Int { weights.reduce(0) { $0 + $1.weight } }

  /// What a number below the total stands for.
  func draw(_ number: Int) -> Step {
    var rest = number
    for (step, weight) in weights {
      if rest < weight { return step }
      rest -= weight
    }
    return .send
  }
}
