import Glibc

/// A call to the kernel that failed: which, and the number that says why.
package struct SystemError: Error, Equatable {
  /// The call, as people know it.
  package let call: String
  /// A number of `errno`.
  package let number: Int32

  /// A call that failed with this number.
  package init(_ call: String, _ number: Int32) {
    self.call = call
    self.number = number
  }

  /// The kernel's reason in words.
  package var reason: String { Errno.text(number) }
}

/// What the numbers of `errno` mean.
package enum Errno {
  /// The C library's words for a number; safe on any thread.
  package static func text(_ number: Int32) -> String {
    var room = [CChar](repeating: 0, count: 256)
    guard unsafe strerror_r(number, &room, room.count) == 0 else { return "error \(number)" }
    return String(decoding: room.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }
}
