import BusTestSupport
import Foundation
import Testing

/// Rows that another test of the tree holds better: what a peer does, and that test's sentence.
///
/// The sentence must stand in the tree, so that no row is lost when its test is renamed.
@Suite("Attacks that other suites hold")
struct ElsewhereTests {
  struct Row: Sendable {
    let attack: String
    let test: String

    init(_ attack: String, _ test: String) {
      self.attack = attack
      self.test = test
    }
  }

  static let rows: [Row] = [
    Row(
      "the wall clock of the host is set while requests are under way",
      "a request that waits at a stopped responder is begun"),
    Row(
      "a publisher takes every place of a reader",
      "one publisher takes half of a reader's places at most, and the others find theirs"),
    Row(
      "many agents of one user take every place of another user's reader",
      "publishers of one user take four fifths of another user's places at most"),
    Row(
      "an agent opens log after log on one channel",
      "streams of an agent on one channel are bounded, and closed ones make room"),
    Row(
      "an agent brings the UUID of another name",
      "the UUID of another name is refused, whether that agent lives or not"),
    Row(
      "an agent returns to a restarted router under another's name or ticket",
      "a forged ticket, another process and another name are fenced"),
    Row(
      "records whose bytes are ruined while they are read",
      "readers neither trap nor leave their mapping, whatever a publisher does to its memory"),
    Row(
      "an agent that does not read what the router tells it",
      "an agent that does not read gets a snapshot that names everything"),
    Row(
      "random frames with random descriptors",
      "200 hostile frames with up to eight descriptors leave the router as it was"),
    Row(
      "a segment in huge pages",
      "a memory file in huge pages is refused, and the refusal says so"),
    Row(
      "a child that keeps a dead agent's socket open",
      "kill -9 ends an agent though a child of it keeps the socket open"),
    Row(
      "connections until the router has no descriptor left",
      "out of descriptors the router refuses with a reason, and recovers"),
    Row(
      "another user listens where an agent looks for its router",
      "what another user runs at the path gets no byte, before and after a start"),
    Row(
      "a run directory that others may write to",
      "a directory that other users may write to is refused before anything is sent"),
    Row(
      "payloads without end for a consumer that takes its time",
      "what waits for a slow consumer is bounded in bytes, and nothing of it is lost"),
    Row(
      "a lossless reader that stands still",
      "is evicted: the publisher goes on, and the reader is told once"),
    Row(
      "a task that is cancelled before its request is sent",
      "a task that is cancelled already sends nothing, whatever it calls"),
    Row(
      "a request is cancelled while every responder is out of credit",
      "a request that waits for credit and is cancelled returns at once and is never sent"),
    Row(
      "a requester that asks for a stream and does not read it",
      "a requester that does not read holds up no other, and its cancel frees the handler"),
    Row(
      "a requester that calls a service which was stopped",
      "a service that was stopped lets its handler go, and may be answered again"),
    Row(
      "a requester that dies while its request is worked on",
      "a requester that ends takes the work for it along"),
    Row(
      "one full responder of a scatter, one full member of a team",
      "one responder that reads nothing is one failure of a scatter, and one of a team"),
    Row(
      "more requests and bytes than may wait to be sent",
      "more requests than may wait are refused, by number and by bytes"),
    Row(
      "ten thousand tasks that publish into a full window",
      "a cancelled task waits no longer, and its message is not published"),
    Row(
      "two tasks that share one subscription",
      "two tasks that share a subscription both end"),
    Row(
      "more requesters than the soft limit of descriptors",
      "a service answers more living requesters than its soft limit of descriptors"),
    Row(
      "descriptors run out in the middle of announces",
      "a service that runs out of descriptors loses hand-overs, not itself"),
    Row(
      "ever new names to talk to",
      "fifteen hundred names, each used once, and those of before are found again"),
    Row(
      "a second watch, and watches without end",
      "a second watch shows nobody again, and after its end nothing more comes"),
    Row(
      "a restart between a promise to a reader and its announce",
      "who was promised the start and never heard of the stream reads it from there"),
    Row(
      "readers that come back first and claim others' streams",
      "a reader that comes back first takes neither a stream nor a reading of others"),
    Row(
      "stuck readers that pin the logs of streams that have ended",
      "a log that nobody but a reader needs is charged to that reader after a while"),
    Row(
      "one user who takes the arena",
      "agents of one user take half of the arena at most, the router's own user all of it"),
    Row(
      "one user who takes names, subscriptions, blobs and descriptors",
      "names, subscriptions, blobs and descriptors of one user are bounded as well"),
    Row(
      "a kernel that gives a publisher no barrier on its threads",
      "without a barrier on its threads a publisher fences at each claim, and loses no joiner"),
    Row(
      "a reader that may make no barrier",
      "a reader that may make no barrier says so, and its publisher fences until it has left"),
    Row(
      "evictions without end",
      "evictions do not add up: the last are remembered, and none of those comes back"),
    Row(
      "more sleepers than were once woken",
      "a sleeper behind a thousand others is woken like the first"),
    Row(
      "the router's lock file is removed",
      "without its lock file it is still found by the next one, which gives up"),
    Row(
      "thousands of subscriptions meet thousands of streams when a grace ends",
      "no turn does more than a connection may and one stream costs, and every user has its turn"),
    Row(
      "an agent and a publisher of one user call their reading by another's number",
      "a reading that its publisher confirms stays, whatever others call theirs"),
    Row(
      "a user hands in more readings than it may have, with its own publishers' word",
      "agents of one user read no more than its share, and others find theirs"),
    Row(
      "a publisher says that its logs are over and never writes where they go on",
      "a log of which only its publisher says that it is over stays its publisher's"),
    Row(
      "a reader says again and again that it has let go of a log that many hold",
      "what it takes to find the next payer, and to end a reading of many logs, is counted"),
    Row(
      "readers by the ten thousand stand still on streams that have ended",
      "of many readings of ended streams so many are looked at in a tick, and all in their turn"),
    Row(
      "hundreds of connections save up their turns for one burst",
      "who is called and does nothing has had its turn: none are saved up"),
    Row(
      "a publisher opens and ends streams to keep the agents of their readers' users busy",
      "who publishes pays for its readers, and for all that they will say to the stream"),
    Row(
      "subscriptions to everything by agents that may read nothing",
      "of agents that may not read a channel no subscription is looked at for a log on it"),
    Row(
      "an agent with thousands of counters that read itself ends before a watcher",
      "what readers that have ended left is found by reading each row once, whoever reads whom"),
    Row(
      "agents with counters come and go while a watcher looks at nothing",
      "beyond the room for ends the oldest of the user with most bytes go, and are counted"),
    Row(
      "threads of strangers sleep on a log's commit word",
      "strangers that sleep on the log's word many times are not woken with its reader for ever"),
    Row(
      "readers let go of no log of ended streams, their user's share being full",
      "a publisher whose ended logs fill its share gets them back, and readers are told"),
    Row(
      "a publisher of another user burdens readers with logs that it does not need back",
      "a publisher that has enough leaves its readers the time they take"),
    Row(
      "thousands of streams of one user before somebody subscribes",
      "who subscribes late has places for others, however many streams one user has"),
    Row(
      "thousands of streams of one user that a reader misses",
      "what is missed of one user's streams does not drive another's from what is kept in mind"),
    Row(
      "thousands of agents that miss a stream and can be given it at once",
      "a reader has its turn at once, however many of another user wait for what they miss"),
    Row(
      "an agent that takes no messages takes a service's name and ends",
      "a name is told as it is when an agent that bears it and takes no messages comes and goes"),
    Row(
      "an agent takes a service's name before it comes back after a restart",
      "a name that another agent bears now is given back to who answered it before a restart"),
    Row(
      "tens of thousands of names that are asked for while agents come back",
      "lists that were told while agents came back are told again in turns, and all of them"),
    Row(
      "a reader whose news overflow while logs are taken from it",
      "a reader whose news were dropped learns from a snapshot what was taken from it"),
    Row(
      "logs are taken from an agent that others write to",
      "who owes for streams of others is still sent messages"),
    Row(
      "tens of thousands of streams before somebody subscribes who has no place for them",
      "of thousands of streams that are missed those that are not kept in mind are told as one"),
    Row(
      "a subscription that is made when others miss thousands of streams",
      "whatever else misses more than is kept in mind is told, and all anew when that is over"),
    Row(
      "hundreds of streams that are missed at once, of which a program is told the first",
      "of hundreds of missed streams a program is told the first, and that there are others"),
    Row(
      "names that are asked for and forgotten again and again while agents come back",
      "names that are asked for and forgotten while agents come back are not kept"),
    Row(
      "threads of strangers sleep on a reader's cursor",
      "a crowd that sleeps on a reader's cursor is not woken as a whole"),
    Row(
      "streams of one user that are dear to settle after a restart",
      "twenty cheap streams are settled before the second dear one of another user"),
    Row(
      "agents that are owed large snapshots after a restart",
      "a small snapshot comes before the second large one of another user"),
    Row(
      "names that thousands watch after a restart",
      "who answers a name is told in the turns of the user whose name it is"),
    Row(
      "thousands of subscriptions without a place for a stream",
      "of an agent without a place for a stream one subscription is looked at, and told"),
    Row(
      "many small blobs of agents that have ended",
      "many small blobs that are left behind make room themselves, not another user's large one"),
    Row(
      "agents with counters end while a watcher is stopped",
      "those whom a listing does not name take room, too, once nobody waits for them"),
    Row(
      "claims that are handed in and unsubscribed again and again",
      "what is handed in and dropped again counts until the grace is over, whatever drops it"),
    Row(
      "a publisher does not finish handing in after a restart",
      "who reads a publisher that did not finish handing in reads to the end of what there is"),
    Row(
      "a peer closes its inbox and opens another",
      "a peer that closes its messenger and opens another is sent to again"),
    Row(
      "a requester that opens its log anew cancels before its request is read",
      "a cancel comes before its request in the log of a second messenger, and stops it"),
    Row(
      "agents without end read a topic and go, while its publisher's messenger is not polled",
      "of agents that it does not know it hears no end, however many come and go"),
    Row(
      "a responder leaves requests unread and goes on speaking to the requester",
      "a request that was not read fails though the peer is back and speaks to the asker"),
    Row(
      "a responder lets go of each log that it is given",
      "a service without room for any log is offered one now and then, not one after the other"),
    Row(
      "an agent takes the name of a service that comes back to the next router",
      "are none where another agent bears the name meanwhile: who answered it does so again"),
    Row(
      "standard output on a full disk",
      "lines that could not be written are counted, said once, and a cut one ends before them"),
    Row(
      "a publisher takes back what it had committed before its announced end",
      "a reader is done with an ended log of which the end was taken back"),
    Row(
      "the guardian of a service's commands is killed",
      "when the guardian dies requests go on, it is said once, and another one does its work"),
    Row(
      "standard output that nobody takes",
      "the first signal ends bcs sub, which says what it received"),
    Row(
      "a responder that ends its work only while the next request is under way",
      "what a responder says of a request that was stopped is not the failure of the next line"),
    Row(
      "a line of standard input without an end",
      "bcs pub fails at a line that is too long before it has ended, and says what it published"),
    Row(
      "a message to all of a team while its members come back",
      "commands that have no time for that say so, and send nothing"),
  ]

  @Test("each row names a test that stands in the tree", arguments: rows.map(\.test))
  func stands(sentence: String) throws {
    let root = URL(fileURLWithPath: Programs.root + "/Tests")
    let files = FileManager.default.enumerator(at: root, includingPropertiesForKeys: nil)
    var found = 0
    while let file = files?.nextObject() as? URL {
      guard file.pathExtension == "swift", file.lastPathComponent != "ElsewhereTests.swift" else {
        continue
      }
      let text = try String(contentsOf: file, encoding: .utf8)
      if text.contains("\"\(sentence)\"") { found += 1 }
    }
    #expect(found == 1, "found \(found) times: \(sentence)")
  }
}
