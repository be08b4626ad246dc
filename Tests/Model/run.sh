#!/bin/sh
# Proves the models of this folder by exhausting their states: each must hold, and each of its
# defects (-DBAD_…) must be found, else the model proves nothing. Prints one row per run.
# Exit 0: all as they must be; 1: one is not, or spin is missing. MODEL_MEGABYTES, MODEL_SECONDS
# bound each run.
set -u
here=$(cd "$(dirname "$0")" && pwd)
if ! command -v spin >/dev/null || ! command -v cc >/dev/null; then
  echo "models: nothing proved, spin or cc is missing: run apt-get install spin gcc" >&2
  exit 1
fi
megabytes=${MODEL_MEGABYTES:-1500}
seconds=${MODEL_SECONDS:-120}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failures=0
printf '%-10s %-14s %-9s %12s %9s  %s\n' model defect result states seconds verdict

# row MODEL DEFECT: DEFECT is '-' for the model as it is.
row() {
  rm -rf "$folder/run" && mkdir "$folder/run" && cd "$folder/run" || exit 2
  define=
  [ "$2" = - ] || define="-D$2"
  ltl=
  ! grep -q '^ltl' "$here/$1.pml" || ltl=yes
  # A claim's search is for liveness, under weak fairness; safety is searched without a claim.
  total=0
  result=holds
  start=$(date +%s)
  for search in safety ${ltl:+liveness}; do
    # shellcheck disable=SC2086
    if ! spin -a $define "$here/$1.pml" >out 2>&1; then
      cat out; result=broken; break
    fi
    if [ "$search" = safety ]; then
      flags="-DSAFETY -DNOCLAIM"; options="-m1000000"
    else
      flags="-DNFAIR=6"; options="-a -f -m1000000"
    fi
    # shellcheck disable=SC2086
    if ! cc -O2 -w $flags -DCOLLAPSE -DMEMLIM="$megabytes" -o pan pan.c >out 2>&1; then
      cat out; result=broken; break
    fi
    # shellcheck disable=SC2086
    timeout "$seconds" ./pan $options >out 2>&1
    states=$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' out | head -1)
    total=$((total + ${states:-0}))
    if ! grep -q 'errors: 0' out; then
      if grep -q 'errors: [1-9]' out; then result=fails; else result=broken; tail -5 out; fi
      break
    elif grep -q 'Search not completed' out; then
      result=unfinished; break
    fi
  done
  wanted=fails
  [ "$2" != - ] || wanted=holds
  verdict=ok
  if [ "$result" != "$wanted" ]; then
    verdict="WRONG: must be '$wanted'"
    failures=$((failures + 1))
  fi
  printf '%-10s %-14s %-9s %12s %9s  %s\n' \
    "$1" "$2" "$result" "$total" "$(($(date +%s) - start))" "$verdict"
}

for file in "$here"/*.pml; do
  model=$(basename "$file" .pml)
  row "$model" -
  for defect in $(grep -o '^#if[n]*def BAD_[A-Z]*' "$file" | sed 's/.* //' | sort -u); do
    row "$model" "$defect"
  done
done
[ "$failures" -eq 0 ] || { echo "models: $failures not as they must be" >&2; exit 1; }
