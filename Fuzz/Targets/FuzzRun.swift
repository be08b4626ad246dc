import Glibc

/// One process of libFuzzer over one target.
///
/// A property that does not hold ends the process as a fault does, so that the input is kept.
@safe
public enum FuzzRun {
  // Set before the first execution, by the thread that runs all of them.
  nonisolated(unsafe) private static var target: (any FuzzTarget)?

  /// Takes the target's name out of the program's arguments before libFuzzer reads them.
  public static func prepare(
    _ targets: [any FuzzTarget.Type], _ argc: UnsafeMutablePointer<Int32>,
    _ argv: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>
  ) -> Int32 {
    let given = unsafe argc.pointee > 1 ? argv.pointee[1].map { unsafe String(cString: $0) } : nil
    guard let kind = targets.first(where: { $0.name == given }) else {
      fail("name a target: \(targets.map { $0.name }.joined(separator: ", "))")
    }
    do { unsafe target = try kind.init() } catch { fail("\(error)") }
    unsafe argv.pointee[1] = unsafe strdup("-max_len=\(kind.bytesMax)")
    return 0
  }

  /// One execution.
  public static func execute(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    var input = unsafe FuzzInput(UnsafeRawBufferPointer(start: bytes, count: count))
    do {
      unsafe try target?.run(&input)
    } catch {
      say("broken: \(error)")
      abort()
    }
    return 0
  }

  private static func say(_ text: String) {
    let line = Array("fuzz: \(text)\n".utf8)
    _ = unsafe write(2, line, line.count)
  }

  private static func fail(_ text: String) -> Never {
    say(text)
    exit(64)
  }
}
