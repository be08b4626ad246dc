import BusAdmin
import BusCounters
import BusTerminal
import BusText
import Foundation
import Testing

@Suite("The screen of bcs top")
struct TopTests {
  private static func screen(
    _ width: Int, _ height: Int?, _ picture: BusDelta = Day.picture,
    _ change: (inout TopState) -> Void = { _ in }
  ) -> [String] {
    var state = TopState()
    change(&state)
    return TopView.lines(picture, &state, width: width, height: height, clock: "12:00:01 UTC")
      .map(\.text)
  }

  @Test("80 x 24 holds everything that matters")
  func small() {
    let lines = Self.screen(80, 24)
    let top = """
      bcs top  3 active  1 channel  sent 1M/s  received 1.7M/s            12:00:01 UTC
      balance holds on 1 channel  pending 202K  lost 300K
      AGENT                CHANNEL              DIR vMSG/S  BYTE/S  DEPTH  LOST    P99
      feed                 ticks                out     1M     61M   200K     0      -
      auditor              ticks                in    999K     61M     2K     0  191ns
      cli.sub.4242         ticks                in    700K       0   200K  300K      -
      """.split(separator: "\n").map(String.init)
    #expect(Array(lines.prefix(6)) == top)
    #expect(lines[6..<23].allSatisfy { $0.isEmpty })
    #expect(lines.count == 24)
    #expect(lines[23] == "q quit  ? keys  s sort: rate  r reverse  / filter  space pause")
  }

  @Test("a wide window shows more columns, and the time of day")
  func wide() {
    let lines = Self.screen(160, 8)
    let names = String(repeating: " ", count: 24)
    let gap = String(repeating: " ", count: 81)
    #expect(
      lines[0]
        == "bcs top  3 active  1 channel  sent 1M/s  received 1.7M/s  p99 191ns" + gap
        + "12:00:01 UTC")
    #expect(
      lines[2]
        == "AGENT  " + names + "CHANNEL" + names + "DIR vMSG/S  BYTE/S  DEPTH  LOST    P99 TOTAL"
        + "    P50 MODE     LANE     ERR  DROP  FULL CATEGORY")
    #expect(
      lines[4]
        == "auditor" + names + "ticks  " + names + "in    999K     61M     2K     0  191ns    2M"
        + "  176ns lossless normal     0     0     0 security")
    #expect(lines.count == 8)
  }

  @Test("the title of what is sorted by is whole and marked, in every window")
  func titles() {
    let titles: [TopState.Order: String] = [
      .rate: "MSG/S", .bytes: "BYTE/S", .depth: "DEPTH", .lost: "LOST", .p99: "P99",
      .agent: "AGENT", .channel: "CHANNEL",
    ]
    for order in TopState.Order.allCases {
      for (isReversed, mark) in [(false, "v"), (true, "^")] {
        let line = Self.screen(TopView.least.width, 8) { state in
          state.order = order
          state.isReversed = isReversed
        }[2]
        let words = line.split(separator: " ").map(String.init)
        #expect(words.contains(mark + (titles[order] ?? "?")), "\(line)")
      }
    }
  }

  @Test("no line is wider than the window, whatever its width")
  func everyWidth() {
    for width in TopView.least.width...250 {
      for line in Self.screen(width, 24) { #expect(SafeText.width(line) <= width) }
    }
  }

  @Test("names of other scripts and of strangers keep the columns where they are")
  func names() {
    var scene = Scene()
    scene.agent("監査役と長い名前の代理人です")
    scene.sends("märkte", stream: 1, messages: 1)
    scene.agent("e\u{301}vil\u{1B}[31m")
    scene.sends("c", stream: 2, messages: 1)
    let lines = Self.screen(80, 10, BusDelta(scene.sample(at: 1)))
    #expect(lines[3].hasPrefix("監査役と長い名前の代理…  märkte "))
    #expect(lines[4].hasPrefix("e\u{301}vil\\u{1b}[31m "))
    let places = lines[3...4].map { line -> Int in
      let head = line.range(of: " out ").map { line[..<$0.lowerBound] } ?? ""
      return SafeText.width(String(head))
    }
    #expect(places == [41, 41])
  }

  @Test("the second line says what is wrong: no router, counters that cannot be true")
  func health() {
    let gone = BusDelta(Day.scene(1).sample(at: 1, routerGoneNs: 12_900_000_000))
    #expect(Self.screen(80, 10, gone)[1] == "router gone for 12 s; figures are live")
    var scene = Day.scene(1)
    scene.agent("liar")
    scene.reads("ticks", stream: 7, of: 1, at: 10, delivered: 11)
    let broken = Self.screen(80, 10, BusDelta(scene.sample(at: 1)))
    #expect(broken[1] == "counters of liar on ticks cannot be true")
    var dark = BusSample(timeNs: 1, agents: Day.scene(1).agents)
    dark.agents[2].fault = "the segment is not sealed"
    let lines = Self.screen(80, 10, BusDelta(dark))
    #expect(
      lines[2] == "cli.sub.4242: its counters cannot be read: the segment is not sealed")
  }

  @Test("agents that ended between two looks are said once, with the look that comes after")
  func unseen() {
    var (first, second) = (Day.scene(1).sample(at: 1), Day.scene(2).sample(at: 2))
    first.endedUnseen = 4
    second.endedUnseen = 6
    let lines = Self.screen(80, 10, BusDelta(second, since: first))
    #expect(lines[2] == "2 agents have ended unseen: their last counts are in no figure")
    var third = Day.scene(3).sample(at: 3)
    third.endedUnseen = 6
    let later = BusDelta(third, since: second)
    #expect(later.unseenEnds == nil && Self.screen(80, 10, later)[2].hasPrefix("AGENT"))
  }

  @Test("an empty bus says what to try, a filter without a match what it looks for")
  func empty() {
    let nobody = Self.screen(80, 8, BusDelta(BusSample(timeNs: 1, agents: [])))
    #expect(nobody[3] == "Nobody publishes or reads. Try `bcs pub` and `bcs sub`.")
    let none = Self.screen(80, 8) { $0.filter = "zebra" }
    #expect(none[3] == "Nothing matches 'zebra'.")
  }

  @Test("rows beyond the screen are reached by scrolling, and not beyond the last")
  func scrolling() {
    var scene = Scene()
    for number in 0..<30 {
      scene.agent("a\(number)")
      scene.sends("c", stream: UInt64(number), messages: 1)
    }
    let picture = BusDelta(scene.sample(at: 1))
    func shown(_ keys: [TopState.Key]) -> [String] {
      var state = TopState()
      for key in keys { _ = state.press(key) }
      let lines = TopView.lines(picture, &state, width: 80, height: 10)
      return lines[3..<9].map { String($0.text.prefix { $0 != " " }) } + [lines[9].text]
    }
    #expect(shown([]).first == "a0" && shown([]).last?.contains("  1-6 of 30  ") == true)
    #expect(shown([.down]).first == "a1")
    #expect(shown([.pageDown, .pageDown, .pageDown, .pageDown]).dropLast().last == "a29")
    #expect(shown([.pageDown, .up]).first == "a9")
    #expect(shown([.up]).first == "a0")
  }

  @Test("? and what is no key show the keys, and any key leads back")
  func keys() {
    for key in ["?", "h", "x"] as [Character] {
      let shown = Self.screen(60, 15) { _ = $0.press(.character(key)) }
      #expect(shown.count == 15 && shown.contains { $0.hasPrefix("r ") })
      #expect(!shown.contains { $0.contains("auditor") })
    }
    let back = Self.screen(60, 15) { for key in "?s" { _ = $0.press(.character(key)) } }
    #expect(back.contains { $0.contains("auditor") })
    var state = TopState()
    #expect(state.press(.character("?")) == .draw && state.press(.character("q")) == .quit)
  }

  @Test("the time of day stands at the end of the first line, in every window")
  func clock() {
    for width in TopView.least.width...200 {
      let first = Self.screen(width, 24)[0]
      #expect(first.hasSuffix("12:00:01 UTC") && SafeText.width(first) == width)
    }
  }

  @Test("without a height every row is printed, and no keys")
  func once() {
    let lines = Self.screen(80, nil)
    #expect(lines.count == 6 && !lines.contains { $0.contains("quit") })
  }
}

@Suite("What keys do in bcs top")
struct TopStateTests {
  private static func order(_ state: TopState) -> [String] {
    state.arranged(Day.picture.traffic).map(\.agent)
  }

  @Test("s goes through all orders, r turns each round")
  func sorting() {
    var state = TopState()
    var seen: [TopState.Order: [String]] = [:]
    for _ in TopState.Order.allCases {
      seen[state.order] = Self.order(state)
      #expect(state.press(.character("r")) == .draw)
      #expect(Self.order(state).count == 3)
      #expect(state.press(.character("r")) == .draw)
      #expect(state.press(.character("s")) == .draw)
    }
    #expect(state.order == .rate && seen.count == TopState.Order.allCases.count)
    #expect(seen[.rate] == ["feed", "auditor", "cli.sub.4242"])
    #expect(seen[.bytes] == ["feed", "auditor", "cli.sub.4242"])
    #expect(seen[.depth] == ["feed", "cli.sub.4242", "auditor"])
    #expect(seen[.lost] == ["cli.sub.4242", "feed", "auditor"])
    #expect(seen[.p99]?.first == "auditor")
    #expect(seen[.agent] == ["auditor", "cli.sub.4242", "feed"])
    state.order = .agent
    state.isReversed = true
    #expect(Self.order(state) == ["feed", "cli.sub.4242", "auditor"])
  }

  @Test("/ takes letters until return, which keeps the filter, or escape, which drops it")
  func filtering() {
    var state = TopState()
    #expect(state.press(.character("/")) == .draw && state.isTyping)
    for letter in "CLIq" { #expect(state.press(.character(letter)) == .draw) }
    #expect(Self.order(state).isEmpty)
    _ = state.press(.backspace)
    #expect(Self.order(state) == ["cli.sub.4242"])
    _ = state.press(.enter)
    #expect(!state.isTyping && state.filter == "CLI")
    #expect(state.press(.escape) == .draw && state.filter.isEmpty)
    _ = state.press(.character("/"))
    _ = state.press(.character("x"))
    _ = state.press(.escape)
    #expect(!state.isTyping && state.filter.isEmpty)
    _ = state.press(.character("/"))
    for _ in 0..<100 { _ = state.press(.character("y")) }
    #expect(state.filter.count == 64)
    #expect(state.press(.character("\u{7}")) == .none)
  }

  @Test("the filter also finds channels")
  func channels() {
    var state = TopState()
    state.filter = "tick"
    #expect(Self.order(state).count == 3)
  }

  @Test("space and p pause, q and control-C end, what is no key shows the keys")
  func rest() {
    var state = TopState()
    #expect(state.press(.character(" ")) == .draw && state.isPaused)
    #expect(state.press(.character("p")) == .draw && !state.isPaused)
    #expect(state.press(.character("q")) == .quit)
    #expect(state.press(.enter) == .none)
    #expect(state.press(.character("z")) == .draw && state.showsKeys)
    #expect(state.press(.enter) == .draw && !state.showsKeys)
    _ = state.press(.character("/"))
    #expect(state.press(.interrupt) == .quit)
  }

  @Test("bytes of a terminal become keys, and what is none is passed over")
  func keys() {
    func keys(_ text: String) -> [TopState.Key] { TopState.Key.keys(in: Array(text.utf8)) }
    #expect(keys("q\r\u{7F}") == [.character("q"), .enter, .backspace])
    #expect(keys("\u{1B}[A\u{1B}[B\u{1B}OA") == [.up, .down, .up])
    #expect(keys("\u{1B}[5~\u{1B}[6~") == [.pageUp, .pageDown])
    #expect(keys("\u{1B}") == [.escape])
    #expect(keys("\u{1B}[1;5Cx") == [.character("x")])
    #expect(keys("ä監") == [.character("ä"), .character("監")])
    #expect(keys("\u{3}") == [.interrupt])
    #expect(TopState.Key.keys(in: [0xFF, 0xE3, 0x41]) == [.character("A")])
    #expect(TopState.Key.keys(in: [0x1B, 0x5B]).isEmpty)
  }
}
