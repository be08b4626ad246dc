#!/usr/bin/env bash
# Makes the documentation of the Swift library from its sources and its catalogue; a warning, as for
# a link that leads nowhere, is an error.
#
#   Scripts/docs.sh [FOLDER [CATALOGUE]]    writes a web site into FOLDER (.build/docs)
#
# 'make build' comes first: the symbols are those of the modules that it made.
set -euo pipefail
cd "$(dirname "$0")/.."

module=BinaryComm
out=${1:-.build/docs}
catalogue=${2:-Sources/Client/$module/$module.docc}
graphs=$(mktemp -d)
trap 'rm -rf "$graphs"' EXIT

includes=()
for folder in Sources/Contract/*/include; do includes+=(-I "$folder"); done
swift symbolgraph-extract -module-name "$module" -I .build/release/Modules "${includes[@]}" \
  -target "$(uname -m)-unknown-linux-gnu" -minimum-access-level public -output-dir "$graphs"

docc convert "$catalogue" --warnings-as-errors \
  --additional-symbol-graph-dir "$graphs" --fallback-display-name "$module" \
  --fallback-bundle-identifier "bcs.$module" --output-path "$out"
echo "documentation of $module: serve $out over HTTP, at /documentation/binarycomm"
