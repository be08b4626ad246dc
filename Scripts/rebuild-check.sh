#!/usr/bin/env bash
# Shows that an incremental build is what a build from nothing is, after the layout of a public type
# changed far below: a package of four modules in a row with the end of our Package.swift. The same
# package without it has to give the broken program, else the check shows nothing.
set -uo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
exec </dev/null
cd "$folder" || exit 1

write() {
  mkdir -p Sources/A Sources/B Sources/C Sources/D
  cat >Package.swift <<'MANIFEST'
// swift-tools-version: 6.3
import PackageDescription
let settings: [SwiftSetting] = [.enableUpcomingFeature("InternalImportsByDefault")]
let package = Package(
  name: "chain",
  targets: [
    .target(name: "A", swiftSettings: settings),
    .target(name: "B", dependencies: ["A"], swiftSettings: settings),
    .target(name: "C", dependencies: ["B"], swiftSettings: settings),
    .executableTarget(name: "D", dependencies: ["C"], swiftSettings: settings),
  ]
)
MANIFEST
  [ "$1" = open ] || sed -n '/^\/\/ \[closure\]/,$p' "$root/Package.swift" >>Package.swift
  layout 'public var x = 1'
  cat >Sources/B/B.swift <<'SWIFT'
import A
public struct Q { var p = P(); public var y: Int }
@inline(never) public func make(_ y: Int) -> Q { Q(y: y) }
SWIFT
  cat >Sources/C/C.swift <<'SWIFT'
import B
public struct R { var q: Q; public var z: Int }
@inline(never) public func fresh(_ y: Int) -> R { R(q: make(y), z: 9) }
SWIFT
  cat >Sources/D/main.swift <<'SWIFT'
import C
let r = fresh(7)
print(r.z, MemoryLayout<R>.size)
SWIFT
}

layout() { printf 'public struct P { %s; public init() {} }\n' "$1" >Sources/A/A.swift; }
build() {
  swift build -c release >log 2>&1 || { cat log >&2; exit 1; }
  .build/release/D 2>/dev/null || echo crash
}

# after FORM: what the incremental build prints, and what a build from nothing does.
after() {
  rm -rf .build Sources
  write "$1"
  build >/dev/null
  layout 'public var w = (1, 2, 3); public var x = 1'
  incremental=$(build)
  rm -rf .build
  fresh=$(build)
}

after open
if [ "$incremental" = "$fresh" ]; then
  echo 'rebuild: the package without its closure is not broken: nothing is shown' >&2
  exit 1
fi
echo "rebuild: without the closure '$incremental' where '$fresh' is right"
after closed
if [ "$incremental" != "$fresh" ]; then
  echo "rebuild: '$incremental' after a change, '$fresh' from nothing" >&2
  exit 1
fi
echo "rebuild: with the closure '$incremental', as from nothing"
