/// One file of the tree: what every check works on, so that each can be tried on a sample.
struct SourceFile {
  /// Relative to the repository's root.
  let path: String
  let text: String

  init(_ path: String, _ text: String) {
    self.path = path
    self.text = text
  }

  enum Language { case swift, c, shell, makefile, markdown, other }

  var language: Language {
    let name = path.split(separator: "/").last.map(String.init) ?? path
    if name.hasSuffix(".swift") { return .swift }
    if name.hasSuffix(".c") || name.hasSuffix(".h") { return .c }
    if name.hasSuffix(".sh") || text.hasPrefix("#!/bin/sh") || text.hasPrefix("#!/usr/bin/env bash")
      || text.hasPrefix("#!/bin/bash")
    {
      return .shell
    }
    if name.hasPrefix("Makefile") { return .makefile }
    if name.hasSuffix(".md") { return .markdown }
    return .other
  }

  /// True for what the size laws bind.
  var isCode: Bool {
    switch language {
    case .swift, .c, .shell: true
    case .makefile, .markdown, .other: false
    }
  }

  var lines: [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }

  /// The target of `Sources/<layer>/<target>/…`.
  var target: String? {
    let parts = path.split(separator: "/")
    return parts.count > 3 && parts[0] == "Sources" ? String(parts[2]) : nil
  }
}

/// A law broken at a place.
struct Finding: Equatable, CustomStringConvertible {
  let path: String
  let line: Int
  let what: String

  init(_ path: String, _ line: Int, _ what: String) {
    self.path = path
    self.line = line
    self.what = what
  }

  var description: String { "\(path):\(line): \(what)" }
}
