extension HostCheck {
  var memfd: HostItem {
    let loss = "Agents cannot create the sealed memory that keeps them apart"
    if absent.contains(.memfd) { return switchedOff(.memfd, "\(loss); allow memfd_create again.") }
    guard facts.memfd >= 0 else {
      return HostItem(
        .memfd, .missing, refusal(facts.memfd),
        "\(loss), so BCS cannot run; allow memfd_create in the sandbox's system call filter.")
    }
    return HostItem(
      .memfd, .ok, "works", "Each log lies in memory that only its owner can write.")
  }

  var noexecSeal: HostItem {
    let loss = "Shared memory might be executed by a reader"
    if absent.contains(.noexecSeal) {
      return switchedOff(.noexecSeal, "\(loss); allow the seal again.")
    }
    guard facts.noexecSeal >= 0 else {
      return HostItem(
        .noexecSeal, .degraded, refusal(facts.noexecSeal),
        "\(loss), all other seals hold; Linux 6.3 and later can forbid it.")
    }
    return HostItem(
      .noexecSeal, .ok, "works", "What an agent shares can never be made executable.")
  }

  var peerPidfd: HostItem {
    let way = "The router finds a peer by process id and compares start times"
    if absent.contains(.peerPidfd) {
      return switchedOff(.peerPidfd, "\(way); allow SO_PEERPIDFD again.")
    }
    guard facts.peerPidfd >= 0 else {
      return HostItem(
        .peerPidfd, .degraded, refusal(facts.peerPidfd),
        "\(way); Linux 6.5 and later can name the process itself.")
    }
    return HostItem(
      .peerPidfd, .ok, "works", "The router knows for certain which process a socket belongs to.")
  }

  var pidfdOpen: HostItem {
    guard facts.pidfdOpen >= 0 else {
      return HostItem(
        .pidfdOpen, .missing, refusal(facts.pidfdOpen),
        "The router cannot see agents die at once; allow pidfd_open in the system call filter.")
    }
    return HostItem(.pidfdOpen, .ok, "works", "The router sees at once when an agent dies.")
  }

  var futexWaitv: HostItem {
    guard facts.futexWaitv >= 0 else {
      return HostItem(
        .futexWaitv, .degraded, refusal(facts.futexWaitv),
        "Readers of several logs sleep on one word of their own; Linux 5.16 and later need not.")
    }
    return HostItem(
      .futexWaitv, .ok, "works", "A reader of a few logs can sleep on all of them at once.")
  }

  var membarrier: HostItem {
    let loss = "Publishers pay a full fence of about 5 ns for each message to a sleeping reader"
    if absent.contains(.membarrier) {
      return switchedOff(.membarrier, "\(loss); allow membarrier again.")
    }
    guard facts.membarrier >= 0 else {
      return HostItem(
        .membarrier, .degraded, refusal(facts.membarrier),
        "\(loss); allow membarrier in the sandbox's system call filter.")
    }
    let commands = MembarrierCommands(facts.membarrier)
    guard commands.complete else {
      return HostItem(
        .membarrier, .degraded, commands.description,
        "\(loss); Linux 4.16 and later, without nohz_full, have all commands.")
    }
    return HostItem(
      .membarrier, .ok, commands.description, "Publishers need no fence: the sleeper pays for it.")
  }

  var ioUring: HostItem {
    let loss = "The network edge uses epoll"
    guard facts.ioUring >= 0 else {
      let setting = facts.ioUringDisabled ?? "unknown"
      let cure =
        setting == "0"
        ? "allow io_uring_setup in the sandbox's system call filter"
        : "set kernel.io_uring_disabled=0, or use a kernel with io_uring"
      return HostItem(
        .ioUring, .degraded, "\(refusal(facts.ioUring)), kernel.io_uring_disabled=\(setting)",
        "\(loss), local messages do not mind; to change it, \(cure).")
    }
    return HostItem(
      .ioUring, .ok, "works", "The network edge can use io_uring; local messages need neither.")
  }
}
