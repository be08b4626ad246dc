import BinaryComm
import BusText
import Foundation

/// People in a room: each line that one of them types is told to all others.
///
///     example_chat ann kitchen        # and, in another terminal:
///     example_chat bob kitchen
@main
struct Chat {
  static func main() async throws {
    guard CommandLine.arguments.count == 3 else {
      say("usage: example_chat NAME ROOM")
      exit(64)
    }
    let (name, room) = (CommandLine.arguments[1], CommandLine.arguments[2])
    do {
      try await chat(name, room)
    } catch let error as BusError {
      say("\(error)")
      exit(1)
    }
  }

  private static func chat(_ name: String, _ room: String) async throws {
    let bus = try Bus.connect()
    let agent = try await bus.register(name, category: "chat")
    let messages = try await agent.messages()
    try await agent.join(team: room)
    let listener = Task {
      for try await message in messages where message.sender != name {
        say("\(message.sender): \(String(decoding: message.payload, as: UTF8.self))")
      }
    }
    say("\(name) is in the \(room)")
    while let line = readLine() {
      try await agent.tell(team: room, Array(line.utf8))
    }
    listener.cancel()
    agent.close()
  }

  /// What stands between the literals came from others: it is made harmless on its way in.
  private static func say(_ text: TerminalText) {
    FileHandle.standardOutput.write(Data((text + "\n").utf8))
  }
}
