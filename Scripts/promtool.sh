#!/bin/sh
# Prints the path of a promtool, which judges the text of `bcs metrics` in the tests. Without one in
# PATH it is taken out of Debian's package into the folder given: installing that package would
# start a service that nobody asked for. Asks nothing; needs root or sudo only to refresh the lists
# of packages.
set -eu
exec </dev/null

into=${1:?usage: promtool.sh FOLDER}

fetch() {
  rm -f prometheus_*.deb
  apt-get download -q prometheus >log 2>&1
}

refresh() {
  if [ "$(id -u)" -eq 0 ]; then
    apt-get update -q >log 2>&1
  else
    sudo -n apt-get update -q >log 2>&1
  fi
}

if command -v promtool; then exit 0; fi
if [ ! -x "$into/promtool" ]; then
  mkdir -p "$into"
  into=$(cd "$into" && pwd)
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  cd "$work"
  if ! { fetch || { refresh && fetch; } } || ! dpkg-deb -x prometheus_*.deb out; then
    cat log >&2
    echo "promtool: Debian's package prometheus could not be fetched. Run 'apt-get update' as" >&2
    echo "  root, or put a promtool into PATH." >&2
    exit 1
  fi
  mv out/usr/bin/promtool "$into/promtool"
fi
echo "$into/promtool"
