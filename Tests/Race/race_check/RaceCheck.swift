import CRaceMutex
import Glibc

/// What `Scripts/races.sh` runs under ThreadSanitizer: `race_check data`, or `race_check client
/// ADDRESS` with a router there.
@main
struct RaceCheck {
  static func main() async {
    let words = Array(CommandLine.arguments.dropFirst())
    guard race_mutex() == 1 else { exit(70) }
    do {
      switch (words.first, words.count) {
      case ("data", 1):
        let taken = try DataPath().run()
        print("race_check: the data path took \(taken) messages")
        // Both lossless readers have all of them.
        if taken < 80_000 { throw Fault("\(taken) messages are less than two readers take") }
      case ("client", 2):
        print("race_check: the client did \(try await ClientPath(address: words[1]).run()) things")
      default:
        print("usage: race_check data | client ADDRESS")
        exit(64)
      }
    } catch {
      print("race_check: \(error)")
      exit(1)
    }
  }
}
