/// Text in lines.
enum TextWrap {
  /// The words of the text in lines of at most `width` characters.
  static func wrap(_ text: String, width: Int) -> [String] {
    fill(text.split(separator: " ").map(String.init), width: width)
  }

  /// The pieces in lines of at most `width` characters, none of them broken.
  static func fill(_ pieces: [String], width: Int) -> [String] {
    var lines: [String] = []
    var line = ""
    for word in pieces {
      if !line.isEmpty && line.count + 1 + word.count > width {
        lines.append(line)
        line = ""
      }
      line += line.isEmpty ? word : " " + word
    }
    return line.isEmpty ? lines : lines + [line]
  }

  /// A number of bytes as people write it, such as `64 KiB`.
  static func bytes(_ count: UInt64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"]
    var value = Double(count)
    var place = 0
    while value >= 1024 && place < units.count - 1 {
      value /= 1024
      place += 1
    }
    let isWhole = value == value.rounded() || place == 0
    let text = isWhole ? String(Int(value)) : String((value * 10).rounded() / 10)
    return "\(text) \(units[place])"
  }

  /// A time as people write it, such as `3m 20s`.
  static func duration(seconds: UInt64) -> String {
    switch seconds {
    case ..<60: "\(seconds)s"
    case ..<3600: "\(seconds / 60)m \(seconds % 60)s"
    case ..<86_400: "\(seconds / 3600)h \(seconds % 3600 / 60)m"
    default: "\(seconds / 86_400)d \(seconds % 86_400 / 3600)h"
    }
  }
}
