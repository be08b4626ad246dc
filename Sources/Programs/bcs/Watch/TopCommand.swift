public import ArgumentParser
import BinaryComm
import BusAdmin
import BusSystem
public import BusTerminal
import BusText

/// Shows what the agents do, live.
struct TopCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "top", abstract: "Show what each agent sends and receives, live.",
    discussion: """
      Keys: s sorts by the next column, r reverses the order, / filters by agent or channel, \
      space pauses, arrows scroll, ? shows the keys, q quits. The figures come from the agents' \
      own memory: once started, they go on while the router is hung or dead.

      Example:
        bcs top --sort lost
      """)

  @OptionGroup var common: CommonOptions
  @OptionGroup var naming: NameOptions

  @Option(help: ArgumentHelp("Seconds between two samples.", valueName: "seconds"))
  var interval = 1.0

  @Option(help: "What to sort by.")
  var sort = TopState.Order.rate

  @Option(help: "Show only agents and channels whose names contain this.")
  var filter = ""

  @Flag(help: "Print the list once and end; needs no terminal.")
  var once = false

  func validate() throws {
    guard interval >= 0.1, interval <= 3600 else {
      throw ValidationError("--interval takes 0.1 to 3600 seconds, not \(interval).")
    }
    guard once || !common.json else {
      throw ValidationError("--json prints one list: give it with --once.")
    }
  }

  func run() throws {
    guard once || (Terminal.isTerminal(0) && Terminal.isTerminal(1)) else {
      throw Failure.usage(
        "Standard input and output are not both a terminal, so there is nothing to draw on.",
        remedy: "Use `bcs top --once` for one list, or `bcs stat` and `bcs metrics`.")
    }
    var state = TopState()
    state.order = sort
    state.filter = filter
    let watching = try CounterSampler.open(common, name: naming.resolved("top"))
    defer { watching.close() }
    if once { return try printOnce(watching, &state) }
    try live(watching, &state)
  }

  private func printOnce(_ watching: CounterSampler, _ state: inout TopState) throws {
    let (earlier, later) = try watching.twice(interval)
    let picture = BusDelta(later, since: earlier)
    if common.json {
      var listing = TrafficRows.listing
      listing.rows = state.arranged(picture.traffic).map(TrafficRows.row)
      return try common.show(listing)
    }
    let width = max(TopView.least.width, Terminal.width ?? 120)
    let lines = TopView.lines(picture, &state, width: width, height: nil)
    try Output.write(.joined(lines.map { "\($0.text)\n" }))
  }

  private func live(_ watching: CounterSampler, _ state: inout TopState) throws {
    let screen = try Screen()
    defer { screen.leave() }
    var earlier = watching.look()
    var picture = BusDelta(earlier)
    var next = Deadline(after: .milliseconds(min(250, Int(interval * 1000))))
    try draw(picture, &state, on: screen)
    while true {
      var mustDraw = false
      switch try screen.wait(next.left) {
      case .keys(let keys):
        for key in keys {
          if key == .interrupt { throw Interrupted() }
          switch state.press(key) {
          case .quit: return
          case .draw: mustDraw = true
          case .none: break
          }
        }
      case .resized: mustDraw = true
      case .time: break
      }
      if next.isOver {
        next = Deadline(after: Duration(seconds: interval))
        if !state.isPaused {
          let sample = watching.look()
          picture = BusDelta(sample, since: earlier)
          earlier = sample
          mustDraw = true
        }
      }
      if mustDraw { try draw(picture, &state, on: screen) }
    }
  }

  private func draw(_ picture: BusDelta, _ state: inout TopState, on screen: Screen) throws {
    let (width, height) = screen.size
    guard width >= TopView.least.width, height >= TopView.least.height else {
      let text =
        "too small: \(width) x \(height), \(TopView.least.width) x \(TopView.least.height) needed"
      return try screen.draw([TopView.Line(SafeText.cut(text, to: width - 1), .alert)])
    }
    let clock = String(System.iso(System.unixNs).dropFirst(11).prefix(8)) + " UTC"
    // The last column stays empty: what erases the rest of a line would erase a character there.
    let lines = TopView.lines(picture, &state, width: width - 1, height: height, clock: clock)
    try screen.draw(lines)
  }
}

extension TopState.Order: ExpressibleByArgument {}
