import BusAdmin
import BusCounters
import BusTestSupport
import Testing

@Suite("Requesters that have ended are one row")
struct FoldingTests {
  /// A responder that a hundred requesters have asked and one still asks, and two that just ended.
  private static func scene(_ replies: UInt64) -> Scene {
    var scene = Scene()
    scene.agent("responder")
    for number in 0..<100 {
      scene.replies("inbox.cli.req.\(number)", messages: replies, state: .past)
    }
    scene.replies("inbox.asker", messages: 7, state: .live)
    scene.replies("inbox.away", messages: 3, state: .past)
    scene.agent("asker")
    scene.agent("away")
    for name in ["cli.req.98", "cli.req.99"] {
      scene.agent(name, hasEnded: true)
      scene.replies("inbox.responder", messages: 1, state: .live)
    }
    return scene
  }

  @Test("a responder has one row for all that have ended, with the sum of their counts and rates")
  func rows() throws {
    let picture = BusDelta(
      Self.scene(5).sample(at: 12), since: Self.scene(1).sample(at: 10))
    let mine = picture.traffic.filter { $0.agent == "responder" }
    #expect(Set(mine.map(\.key.channel)) == ["inbox.*", "inbox.asker", "inbox.away"])
    let ended = try #require(mine.first { $0.key.channel == "inbox.*" })
    #expect(ended.counts.messages == 500 && ended.rate == 200)
    let gone = picture.traffic.filter(\.hasEnded)
    #expect(gone.map(\.agent) == ["(ended)"] && gone.first?.counts.messages == 2)
  }

  @Test("channels, too; one that does not add up keeps its name")
  func channels() {
    var scene = Self.scene(5)
    scene.agent("liar")
    scene.hears("inbox.gone", at: 5, delivered: 4)
    let channels = BusDelta(scene.sample(at: 1)).channels
    let names = Set(channels.map(\.channel))
    #expect(names.contains("inbox.*") && names.contains("inbox.gone"))
    #expect(channels.count { $0.channel.hasPrefix("inbox.cli.req") } == 0)
    let ended = channels.first { $0.channel == "inbox.*" }
    #expect(ended?.published == 500 && ended?.holds == true)
  }

  @Test("metrics have one series for all inboxes that an agent sends to, and none of the ended")
  func metrics() {
    let text = PrometheusText.render(BusDelta(Self.scene(5).sample(at: 1)))
    let sent = text.split(separator: "\n").filter { $0.hasPrefix("bcs_messages_sent_total{") }
    #expect(
      sent == [
        #"bcs_messages_sent_total{agent="responder",channel="inbox.*",lane="normal",kind="pair"} "#
          + "510"
      ])
    #expect(!text.contains("cli.req") && !text.contains("(ended)"))
  }
}
