import BusTestSupport
import Foundation
import Glibc

/// What processes hold at one moment, for comparing it with another one.
struct Holdings: Equatable, CustomStringConvertible {
  /// Open descriptors of this process, in which the victims live.
  var descriptors = 0
  /// Shared mappings of this process.
  var mappings = 0
  var residentKiB = 0
  /// The same of the router; 0 without one.
  var routerDescriptors = 0
  var routerResidentKiB = 0
  /// What the router has charged for segments.
  var charged = 0

  var description: String {
    "\(descriptors) descriptors, \(mappings) mappings, \(residentKiB) KiB; router: "
      + "\(routerDescriptors) descriptors, \(routerResidentKiB) KiB, \(charged) bytes charged"
  }

  init(router: Int32?, charged: Int) throws {
    descriptors = try Self.entries("fd", getpid())
    let maps = try Self.text("/proc/self/maps")
    mappings = maps.split(separator: "\n").count { $0.contains("/memfd:") }
    residentKiB = try Self.residentKiB(getpid())
    if let router {
      routerDescriptors = try Self.entries("fd", router)
      routerResidentKiB = try Self.residentKiB(router)
    }
    self.charged = charged
  }

  /// What is still held beyond another time; nil: nothing.
  func excess(over other: Holdings) -> String? {
    let pairs = [
      ("descriptors", descriptors, other.descriptors), ("mappings", mappings, other.mappings),
      ("descriptors of the router", routerDescriptors, other.routerDescriptors),
      ("bytes charged by the router", charged, other.charged),
    ]
    let found = pairs.filter { $0.1 > $0.2 }.map { "\($0.0): \($0.1) instead of \($0.2)" }
    return found.isEmpty ? nil : found.joined(separator: ", ")
  }

  private static func entries(_ folder: String, _ pid: Int32) throws -> Int {
    try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/\(folder)").count
  }

  /// A file of the kernel, whose size is not known before it was read.
  private static func text(_ path: String) throws -> String {
    guard let file = FileHandle(forReadingAtPath: path) else {
      throw SetUpFailure("\(path) cannot be read")
    }
    defer { try? file.close() }
    return String(decoding: try file.readToEnd() ?? Data(), as: UTF8.self)
  }

  private static func residentKiB(_ pid: Int32) throws -> Int {
    let status = try text("/proc/\(pid)/status")
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
    guard let value = line?.split(separator: " ").dropLast().last.flatMap({ Int($0) }) else {
      throw SetUpFailure("process \(pid) says nothing of its memory")
    }
    return value
  }
}
