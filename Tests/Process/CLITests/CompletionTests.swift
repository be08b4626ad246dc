import BusTestSupport
import Testing

/// What bash offers, by the script that `bcs completions bash` prints.
@Suite("Completions of bash")
struct CompletionTests {
  /// What is offered for the last of the words.
  private func offers(_ words: String...) throws -> [String] {
    let program = try Programs.path("bcs")
    let quoted = words.map { "'\($0)'" }.joined(separator: " ")
    let script = """
      source <("$0" completions bash)
      COMP_WORDS=("$0" \(quoted)); COMP_CWORD=\(words.count)
      COMP_LINE="${COMP_WORDS[*]}"; COMP_POINT=${#COMP_LINE}
      _bcs bcs "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
      printf '%s\\n' "${COMPREPLY[@]}"
      """
    let result = try Child.run(
      "/bin/bash", ["--norc", "-c", script, program], timeout: .seconds(30))
    #expect(result.stderr.isEmpty, "\(result)")
    return result.stdout.split(separator: "\n").map(String.init)
  }

  @Test("commands, options, their values, and the names of errors")
  func fixed() throws {
    #expect(try offers("pu") == ["pub"])
    #expect(try offers("sub", "--lossl") == ["--lossless"])
    #expect(try offers("top", "--sort", "l") == ["lost"])
    #expect(try offers("errors", "NO_ROU") == ["NO_ROUTER"])
  }

  @Test("directories after --dir")
  func directories() throws {
    let dir = try TemporaryDirectory("complete")
    #expect(try offers("agent", "list", "--dir", String(dir.path.dropLast())) == [dir.path])
    #expect(try offers("metrics", "--dir", String(dir.path.dropLast())) == [dir.path])
  }
}
