# What the tests took, by target, and the ten slowest: from the events of swift test, of which each
# line is a JSON object.
#
#   awk -f Scripts/test-times.awk EVENTS
#
# The suites of all targets run side by side in one process, and a test is under way from its start,
# also while it waits for a thread that others hold. So the seconds of tests add up to far more than
# the run. The share, for which each moment is divided among the tests that are under way, adds up
# to the run, and says which targets it goes to. A run that was cut short has events that are: lines
# and ends may be missing.

# The value of the first member of this line with this name, if it is a string.
function member(name,    value) {
  if (!match($0, "\"" name "\":\"([^\"\\\\]|\\\\.)*\"")) return ""
  value = substr($0, RSTART, RLENGTH - 1)
  sub(/^"[^"]*":"/, "", value)
  return value
}

# The text that a string of JSON stands for; letters beyond ASCII come as they are.
function plain(string) {
  gsub(/\\\//, "/", string)
  gsub(/\\"/, "\"", string)
  gsub(/\\\\/, "\\", string)
  return string
}

# The key with the largest value.
function largest(values,    key, found) {
  for (key in values) if (found == "" || values[key] > values[found]) found = key
  return found
}

# One row of the table.
function show(what, count, skips, part, time, span) {
  printf row, what, count + 0, skips + 0, sprintf("%.1f", part), sprintf("%.1f", time),
    sprintf("%.1f", span)
}

# The ten tests with the largest values, if there are any.
function list(title, times,    place, test) {
  for (place = 1; place <= 10 && (test = largest(times)) != ""; place++) {
    if (place == 1) printf "\n%s\n", title
    printf "  %7.1f s  %s: %s\n", times[test], targets[test], names[test]
    delete times[test]
  }
}

match($0, /"kind":"test(Started|Ended|Skipped)"/) {
  what = substr($0, RSTART + 12, RLENGTH - 13)
  test = member("testID")
  # A function's ends in its place; a suite's does not, and is the time of its tests again.
  if (test !~ /:[0-9]+:[0-9]+$/ || !match($0, /"absolute":[0-9.]+/)) next
  now = substr($0, RSTART + 11, RLENGTH - 11) + 0
  target = test
  sub(/\..*/, "", target)
  share[target] += 0
  if (underWay) passed += (now - before) / underWay
  before = now

  if (what == "Started") {
    name = plain(member("text"))
    sub(/^Test /, "", name)
    sub(/ started\.$/, "", name)
    names[test] = name
    targets[test] = target
    begun[test] = now
    passedBefore[test] = passed
    underWay++
    if (!(target in first)) first[target] = last[target] = now
    if (!start) start = end = now
  } else if (what == "Skipped") {
    tests[target]++
    skipped[target]++
  } else if (test in begun) {
    tests[target]++
    share[target] += passed - passedBefore[test]
    seconds[target] += took[test] = now - begun[test]
    last[target] = end = now
    delete begun[test]
    underWay--
  }
}

END {
  for (target in share) known++
  if (!known) exit
  row = "  %-18s %6s %8s %8s %9s %14s\n"
  printf "\n" row, "tests of", "number", "skipped", "share", "seconds", "first to last"
  while (known--) {
    target = largest(share)
    show(target, tests[target], skipped[target], share[target], seconds[target],
      last[target] - first[target])
    all += tests[target]
    allSkipped += skipped[target]
    allShare += share[target]
    allSeconds += seconds[target]
    delete share[target]
  }
  show("all", all, allSkipped, allShare, allSeconds, end - start)
  list("the slowest:", took)
  for (test in begun) waited[test] = before - begun[test]
  list("begun, and no end of them is known (" underWay "):", waited)
  print ""
}
