#!/usr/bin/env bash
# Runs the tests that 'make test' has built, ends a run that hangs, and prints last what the tests
# took, what was skipped and what failed: the line that matters is not to be searched for among
# thousands.
#
#   Scripts/test.sh [OPTION...]     options of swift test, as --filter NAME
#
# TEST_SECONDS=n: a run ends after n seconds (1800). Tests use the programs in bin/.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

seconds=${TEST_SECONDS:-1800}
log=$(mktemp)
events=$(mktemp)
trap 'rm -f "$log" "$events"' EXIT
BCS_PROMTOOL=$(Scripts/promtool.sh .build/tools) || exit 1
export BCS_PROMTOOL BCS_BIN=$PWD/bin

timeout --kill-after=10 "$seconds" \
  swift test -c release --skip-build --disable-xctest \
  --event-stream-output-path "$events" --event-stream-version 0 "$@" </dev/null 2>&1 | tee "$log"
status=${PIPESTATUS[0]}

awk -f Scripts/test-times.awk "$events"
grep -E '^[^ ]+ (Test|Suite) .* skipped(:|\.)' "$log"
if [ "$status" -ne 0 ]; then
  printf '\nwhat failed:\n'
  # Lines that begin with an arrow are the comment of the issue before them.
  awk '/recorded an issue|^watchdog: |Fatal error|unexpected signal/ { shown = 1; print; next }
    shown && /^ *↳/ { print; next }
    { shown = 0 }' "$log" | tail -n 60
fi
if [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
  echo "the test run hung: ended after $seconds s (TEST_SECONDS=n allows more)"
  # Tests that were begun and have no end.
  comm -23 <(sed -n 's/^◇ Test \(".*"\) started\.$/\1/p' "$log" | sort -u) \
    <(sed -n 's/^[✔✘] Test \(".*"\) \(with .* \)\?\(passed\|failed\) after.*/\1/p' "$log" |
      sort -u) | sed 's/^/  not ended: /'
fi
exit "$status"
