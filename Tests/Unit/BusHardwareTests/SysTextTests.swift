import BusHardware
import Testing

@Suite("Reading the text of /proc and /sys")
struct SysTextTests {
  @Test(
    "a CPU list gives its CPUs in order",
    arguments: [
      ("0-1\n", [0, 1]), ("0", [0]), ("0-3,8,10-11\n", [0, 1, 2, 3, 8, 10, 11]),
      ("16-19,0-1", [0, 1, 16, 17, 18, 19]), ("", []), ("\n", []),
    ])
  func cpuList(text: String, cpus: [Int]) {
    #expect(SysText.cpuList(text) == cpus)
  }

  @Test(
    "what is no CPU list gives nil",
    arguments: ["a", "1-", "-1", "3-1", "1-2-3", "0-99999999999999999999", "0-70000", "0 1"])
  func noCPUList(text: String) {
    #expect(SysText.cpuList(text) == nil)
  }

  @Test("ranges are the opposite of a list", arguments: ["0-3,8,10-11", "5", "", "0,2,4"])
  func ranges(text: String) throws {
    #expect(SysText.cpuRanges(try #require(SysText.cpuList(text))) == text)
  }

  @Test("a hybrid CPU's two lists give disjoint CPUs")
  func hybridLists() throws {
    let fast = try #require(SysText.cpuList("0-15\n"))
    let frugal = try #require(SysText.cpuList("16-23\n"))
    #expect(Set(fast).isDisjoint(with: frugal))
    #expect(fast.count + frugal.count == 24)
  }

  @Test("fields are found by their whole name")
  func fields() {
    let text = "MemTotal:  100 kB\nMemAvailable:\t 7 kB\nPages_Total:  5\nBroken: x kB\n"
    #expect(SysText.meminfo("MemAvailable", in: text) == 7168)
    #expect(SysText.meminfo("Pages_Total", in: text) == 5)
    #expect(SysText.meminfo("Mem", in: text) == nil)
    #expect(SysText.meminfo("Broken", in: text) == nil)
    #expect(SysText.meminfo("A", in: "A: 99999999999999999 kB") == nil)
    #expect(SysText.field("model name", in: "model name\t: A: B\n") == "A: B")
  }

  @Test("kernel versions are read up to the minor number")
  func kernelVersion() throws {
    let debian = try #require(SysText.kernelVersion("6.1.0-28-amd64"))
    #expect(debian == (6, 1))
    let candidate = try #require(SysText.kernelVersion("6.12-rc1"))
    #expect(candidate == (6, 12))
    #expect(SysText.kernelVersion("linux") == nil)
  }

  @Test("limits of control groups: a number, or none")
  func limits() {
    #expect(SysText.memoryLimit("536870912\n") == 536_870_912)
    #expect(SysText.memoryLimit("max\n") == nil)
    #expect(SysText.memoryLimit("9223372036854771712\n") == nil)
    #expect(SysText.cpuQuota("150000 100000\n") == 1.5)
    #expect(SysText.cpuQuota("max 100000\n") == nil)
    #expect(SysText.cpuQuota("-1\n 100000\n") == nil)
    #expect(SysText.cpuQuota("100000 0\n") == nil)
  }

  @Test("every control group on the way to the root may set a limit")
  func cgroupFolders() {
    let unified = "0::/system.slice/bcs.service\n"
    #expect(
      SysText.cgroupFolders(unified, controller: "memory") == [
        "/sys/fs/cgroup/system.slice/bcs.service", "/sys/fs/cgroup/system.slice",
        "/sys/fs/cgroup",
      ])
    let old = "4:memory:/jobs\n3:cpu,cpuacct:/\nbroken\n"
    #expect(
      SysText.cgroupFolders(old, controller: "memory") == [
        "/sys/fs/cgroup/memory/jobs", "/sys/fs/cgroup/memory",
      ])
    #expect(SysText.cgroupFolders(old, controller: "cpu") == ["/sys/fs/cgroup/cpu"])
  }
}
