#!/usr/bin/env bash
# ThreadSanitizer over the data path (writer and readers of all modes in threads, on one mapping)
# and over the client with its service threads against a real router; then over the data path with
# a seeded race (BCS_SEEDED_RACE), which has to be reported, else the run proves nothing.
# Docs/internals/fuzzing.md says what this sees and what not.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
exec </dev/null

build() { # FOLDER DEFINE...
  # Swift 6.3.1's verifier stops at a bitcast that ThreadSanitizer's own accesses leave in
  # UniqueArray (BasicContainers); without it they compile, and the seeded race is found.
  BCS_RACES=1 swift build -c release --sanitize=thread --scratch-path "$1" \
    --product race_check -Xswiftc -DBCS_ONE_MAPPING \
    -Xswiftc -Xfrontend -Xswiftc -disable-llvm-verify "${@:2}" || exit 1
}
export SWIFT_BACKTRACE=enable=no
supp=$PWD/Tests/Race/tsan.supp
export TSAN_OPTIONS="exitcode=66 halt_on_error=0 history_size=4 suppressions=$supp"

folder=$(mktemp -d)
log=$folder/log
router=
cleanup() {
  [ -z "$router" ] || kill "$router" 2>/dev/null
  rm -rf "$folder"
}
trap cleanup EXIT

# check NAME COMMAND...: no report, and status 0.
check() {
  name=$1
  shift
  timeout --kill-after=5 240 "$@" >"$log" 2>&1
  status=$?
  reports=$(grep -c 'WARNING: ThreadSanitizer' "$log")
  grep '^race_check' "$log"
  if [ "$status" -ne 0 ] || [ "$reports" -ne 0 ]; then
    sed -n '1,60p' "$log"
    echo "races: $name: $reports reports, status $status" >&2
    exit 1
  fi
  echo "races: $name: 0 reports"
}

build .build-tsan
check 'data path' .build-tsan/release/race_check data

program=${BCS_BIN:-bin}/msg_router
[ -x "$program" ] || { echo "races: no $program: run 'make build' first" >&2; exit 1; }
mkdir -m 700 "$folder/run"
"$program" --dir "$folder/run" >"$folder/router.log" 2>&1 &
router=$!
for _ in $(seq 200); do
  [ -S "$folder/run/router.sock" ] && break
  sleep 0.05
done
check client .build-tsan/release/race_check client "$folder/run"

build .build-tsan/seeded -Xswiftc -DBCS_SEEDED_RACE
timeout --kill-after=5 240 .build-tsan/seeded/release/race_check data >"$log" 2>&1
reports=$(grep -c 'WARNING: ThreadSanitizer: data race' "$log")
if [ "$reports" -eq 0 ]; then
  echo 'races: the seeded race was not reported: nothing is proved' >&2
  exit 1
fi
echo "races: seeded race: reported ($reports reports)"
