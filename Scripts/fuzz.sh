#!/usr/bin/env bash
# Searches for inputs that break what must hold for any bytes: libFuzzer with AddressSanitizer over
# the targets of Fuzz/, as many at a time as there are CPUs. Docs/internals/fuzzing.md says what
# each of them reaches.
#
#   Scripts/fuzz.sh [--executions N | --seconds S] [TARGET...]   search; 10000000 executions each,
#                                                                2000000 lives of a router
#   Scripts/fuzz.sh --replay TARGET FILE                         run one input, with the sanitizer
#   Scripts/fuzz.sh --keep TARGET                                take findings into Fuzz/Corpus
#
# Before each search the target's canary, a defect that is seeded in this build, has to be found.
# Fails when it is not, and on a fault, a broken property, a leak, an execution of more than 10 s,
# or more than 256 MiB of growth; the input is kept and named. FUZZ_CANARY=n bounds that search,
# FUZZ_SEED=n makes a search begin in the same way each time.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

scratch=.build-fuzz
found=$scratch/found
core='log frames header topic counters'
engine='router policy'
# The longest first, so that the last ones end together.
all='policy log router topic counters frames header'
growth_most=256
canary_runs=${FUZZ_CANARY:-8000000}
# 0: libFuzzer takes one of its own, and names it in its log.
seed=${FUZZ_SEED:-0}
export SWIFT_BACKTRACE=enable=no
# Where a block was allocated is told by --replay: to note it costs a third of the executions.
cheap=quarantine_size_mb=4:malloc_context_size=1:max_malloc_fill_size=0
export ASAN_OPTIONS=$cheap:detect_stack_use_after_return=0

fail() {
  printf 'fuzz: %s\n' "$1" >&2
  exit "${2:-1}"
}

program_of() {
  case " $core " in
    *" $1 "*) printf '%s/release/fuzz_core\n' "$scratch" ;;
    *) printf '%s/release/fuzz_engine\n' "$scratch" ;;
  esac
}

build() {
  runtime=$(dirname "$(dirname "$(readlink -f "$(command -v swiftc)")")")
  compgen -G "$runtime/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a" >/dev/null ||
    fail "this Swift has no libFuzzer (libclang_rt.fuzzer): install the toolchain of swift.org" 64
  # The last -sanitize counts: both at once, or only one of them instruments Swift's code.
  for program in fuzz_core fuzz_engine; do
    BCS_FUZZ=1 swift build -c release --scratch-path "$scratch" --product "$program" \
      --sanitize=fuzzer --sanitize=address -Xswiftc -sanitize=fuzzer,address \
      -Xswiftc -DBCS_FUZZ || exit 1
  done
}

# number LOG NAME: a figure of libFuzzer's report.
number() { sed -n "s/^stat::$2: *\([0-9]*\).*/\1/p" "$1" | tail -n 1; }

# The canary must be found, by the sanitizer and in time.
canary() {
  local log=$found/$1.canary.log corpus
  corpus=$(mktemp -d)
  BCS_FUZZ_CANARY=1 "$(program_of "$1")" "$1" -seed="$seed" -runs="$canary_runs" \
    -max_total_time=240 -timeout=10 -print_final_stats=1 -artifact_prefix="$corpus/" \
    $(dictionary "$1") \
    "$corpus" "Fuzz/Corpus/$1" >"$log" 2>&1 </dev/null
  rm -rf "$corpus"
  grep -q 'heap-buffer-overflow' "$log" && grep -q 'Canary' "$log"
}

dictionary() { [ ! -f "Fuzz/$1.dict" ] || printf -- '-dict=Fuzz/%s.dict' "$1"; }

# An execution of the router is a life of up to 64 events, of the others one message or a few.
runs_of() { case "$1" in router) echo 2000000 ;; *) echo 10000000 ;; esac; }

# one TARGET [LIMIT]: canary, search, one row; status 0 when all is as it must be.
one() {
  local log=$found/$1.log verdict=ok canary_after first peak
  if ! canary "$1"; then
    printf '%-9s the canary was not found: see %s\n' "$1" "$found/$1.canary.log"
    return 1
  fi
  canary_after=$(number "$found/$1.canary.log" number_of_executed_units)
  mkdir -p "$scratch/corpus/$1"
  "$(program_of "$1")" "$1" "${2:--runs=$(runs_of "$1")}" -seed="$seed" -timeout=10 \
    -rss_limit_mb=1024 -print_final_stats=1 \
    -artifact_prefix="$found/$1-" $(dictionary "$1") \
    "$scratch/corpus/$1" "Fuzz/Corpus/$1" >"$log" 2>&1 </dev/null
  local status=$?
  first=$(sed -n 's/.*INITED.*rss: \([0-9]*\)Mb.*/\1/p' "$log" | tail -n 1)
  peak=$(number "$log" peak_rss_mb)
  if [ "$status" -ne 0 ]; then
    verdict=BROKEN
  elif [ $((${peak:-9999} - ${first:-0})) -gt "$growth_most" ]; then
    verdict="GREW by $((peak - first)) MiB"
  fi
  printf '%-9s %11s %8s %8s %7s %7s %8s  %s\n' "$1" "$(number "$log" number_of_executed_units)" \
    "$(number "$log" average_exec_per_sec)" \
    "$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)" \
    "$(sed -n 's/.* corp: \([0-9]*\).*/\1/p' "$log" | tail -n 1)" \
    "$((${peak:-0} - ${first:-0}))" "$canary_after" "$verdict"
  [ "$verdict" = ok ] && return 0
  grep -E '^fuzz: |^SUMMARY|ERROR:' "$log" | head -n 5
  local file
  file=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
  [ -z "$file" ] || printf '  input: %s\n  again: Scripts/fuzz.sh --replay %s %s\n' \
    "$file" "$1" "$file"
  return 1
}

limit=
case "${1:-}" in
  --executions) limit=-runs=$2; shift 2 ;;
  --seconds) limit=-max_total_time=$2; shift 2 ;;
  --one) one "$2" "${3:-}"; exit ;;
  --replay)
    build >&2
    ASAN_OPTIONS=malloc_context_size=30 "$(program_of "$2")" "$2" "$3"
    exit ;;
  --keep)
    "$(program_of "$2")" "$2" -merge=1 "Fuzz/Corpus/$2" "$scratch/corpus/$2"
    exit ;;
  --*) fail "unknown option $1: see the head of Scripts/fuzz.sh" 64 ;;
esac
targets=${*:-$all}
for target in $targets; do
  case " $core $engine " in
    *" $target "*) ;;
    *) fail "no target '$target': there are $core $engine" 64 ;;
  esac
done

build
mkdir -p "$found"
start=$(date +%s)
printf '%-9s %11s %8s %8s %7s %7s %8s  %s\n' target executions exec/s coverage corpus 'MiB+' \
  canary result
# shellcheck disable=SC2086 # one word a target is meant, and none without a limit
printf '%s\n' $targets | xargs -P "$(nproc)" -I '{}' "$0" --one '{}' $limit
status=$?
printf 'fuzz: %s s\n' "$(($(date +%s) - start))"
[ "$status" -eq 0 ] || fail "not all is as it must be: logs and inputs are in $found"
