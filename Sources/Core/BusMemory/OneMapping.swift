#if BCS_ONE_MAPPING
  import Glibc
  import Synchronization

  /// The mappings of this process, by memory file: who takes in a file that this process made reads
  /// it where it is written.
  ///
  /// For ThreadSanitizer, which relates two accesses by their address, and cannot do so through two
  /// mappings of one file. No other build has it: here the reader's memory is writable.
  enum OneMapping {
    private struct Entry {
      var base: UInt
      var holders: Int
    }
    private struct File: Hashable {
      let device: UInt
      let inode: UInt
    }
    private static let known = Mutex<[File: Entry]>([:])

    private static func file(_ descriptor: Int32) -> File {
      var status = stat()
      _ = unsafe fstat(descriptor, &status)
      return File(device: UInt(status.st_dev), inode: UInt(status.st_ino))
    }

    /// The writer's mapping of a file.
    static func made(_ descriptor: Int32, at base: UnsafeMutableRawPointer) {
      let file = file(descriptor)
      let address = UInt(bitPattern: base)
      known.withLock { $0[file] = Entry(base: address, holders: 1) }
    }

    /// The mapping to read a file through, if this process made it.
    static func take(_ descriptor: Int32) -> UnsafeMutableRawPointer? {
      let file = file(descriptor)
      return unsafe known.withLock { known in
        guard let entry = known[file] else { return nil }
        known[file]?.holders += 1
        return unsafe UnsafeMutableRawPointer(bitPattern: entry.base)
      }
    }

    /// True when nobody else reads or writes here, so that the memory is to be unmapped.
    static func letGo(_ base: UnsafeRawPointer) -> Bool {
      let address = UInt(bitPattern: base)
      return known.withLock { known in
        guard let (file, entry) = known.first(where: { $0.value.base == address }) else {
          return true
        }
        known[file] = entry.holders > 1 ? Entry(base: address, holders: entry.holders - 1) : nil
        return entry.holders == 1
      }
    }
  }
#endif
