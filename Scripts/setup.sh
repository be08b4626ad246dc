#!/bin/sh
# Installs what building and testing need on Debian 12 with Swift 6.3, and nothing that is there.
# Asks nothing and reads nothing; needs root or sudo only when a package is missing.
set -eu
exec </dev/null

# Ours: topology, hashing and the finder of both. SwiftPM: git and certificates.
# The tests: a wall clock that can be set (libfaketime).
# Swift itself: its linker, the C headers and the libraries its tools load.
packages='libhwloc-dev libssl-dev pkg-config git ca-certificates make
  binutils libc6-dev libgcc-12-dev libstdc++-12-dev libcurl4 libsqlite3-0 libxml2
  libfaketime'
swift_needed='6.3'

fail() {
  printf 'setup: %s\n' "$1" >&2
  exit 1
}

check_system() {
  for tool in dpkg-query apt-get; do
    command -v "$tool" >/dev/null 2>&1 ||
      fail "this is not Debian or a relative of it (no $tool).
  Install the counterparts of these packages, then run 'make build':
  $packages"
  done
  command -v swift >/dev/null 2>&1 ||
    fail "no 'swift' in PATH. Install Swift $swift_needed or newer for Debian 12 from
  https://www.swift.org/install/linux/ and put its usr/bin into PATH."
}

missing_packages() {
  # shellcheck disable=SC2086 # one word a package is meant
  installed=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' $packages 2>/dev/null || true)
  for package in $packages; do
    case "
$installed
" in
      *"
$package installed
"*) ;;
      *) printf '%s ' "$package" ;;
    esac
  done
}

install_packages() {
  if [ "$(id -u)" -eq 0 ]; then
    root=''
  elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    root='sudo -n'
  else
    fail "these packages are missing and neither root nor sudo without a password is at hand.
  Run as root: apt-get update && apt-get install -y $*"
  fi
  printf 'setup: installing %s\n' "$*"
  $root env DEBIAN_FRONTEND=noninteractive apt-get update -q ||
    fail 'apt-get update failed: see its message above (network? /etc/apt/sources.list?)'
  $root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" ||
    fail "apt-get could not install: $*"
}

check_swift() {
  text=$(swift --version 2>&1) || fail "'swift --version' failed:
$text"
  version=${text#*Swift version }
  version=${version%%[!0-9.]*}
  major=${version%%.*}
  rest=${version#*.}
  minor=${rest%%.*}
  case "$major.$minor" in
    *[!0-9.]* | .* | *.) fail "cannot read Swift's version from: $text" ;;
  esac
  if [ "$major" -lt "${swift_needed%.*}" ] ||
    { [ "$major" -eq "${swift_needed%.*}" ] && [ "$minor" -lt "${swift_needed#*.}" ]; }; then
    fail "Swift $version is too old: install $swift_needed or newer from
  https://www.swift.org/install/linux/"
  fi
}

check_system
missing=$(missing_packages)
if [ -n "$missing" ]; then
  # shellcheck disable=SC2086 # one word a package is meant
  install_packages $missing
fi
check_swift
