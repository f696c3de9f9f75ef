# Runs the suites of tests and counts them. Sourced by build.sh.
# shellcheck shell=bash

# shellcheck source=bats/cluster/cluster.sh
source "$ROOT/bats/cluster/cluster.sh"

readonly RESULTS=$BUILD/results

# The suites, in the order in which a failure is cheapest to have.
readonly SUITES=(lint unit app image chart faults cluster e2e)

# test_main [SUITE...]: all of them, or these. Goes on after a failure; the last line is what CI reads.
test_main() {
  local suite since=$EPOCHREALTIME failed=0
  [ $# -gt 0 ] || set -- "${SUITES[@]}"
  for suite in "$@"; do
    declare -F "suite_$suite" >/dev/null || die "there is no suite $suite; there are ${SUITES[*]}"
  done
  rm -rf "$RESULTS" && mkdir -p "$RESULTS"
  # A cluster that was up before belongs to somebody; one that the tests make is taken down by them.
  if [ "${KEEP:-}" != 1 ] && ! cluster_is_up; then
    trap take_cluster_down EXIT
  fi
  export CLUSTER_KEEP=1
  fetch_bats
  for suite in "$@"; do run_suite "$suite"; done
  say "the tests took $(elapsed "$since")"
  summarize
}

cluster_is_up() { [ -s "$CLUSTER_KUBECONFIG" ]; }

take_cluster_down() {
  ! cluster_is_up || "$ROOT/build.sh" cluster down || true
}

# run_suite SUITE: in a subshell, so that one which cannot even start is a failed test and not the end.
run_suite() {
  local suite=$1 since=$EPOCHREALTIME status=0
  say "== $suite"
  set +e
  (
    set -e
    "suite_$suite"
  )
  status=$?
  set -e
  # What failed before it came to its tests would otherwise leave no trace in the counts.
  if [ "$status" != 0 ] && ! grep -qs '^not ok' "$RESULTS"/"$suite"*.tap; then
    echo "not ok 1 - the suite $suite runs to its end" >"$RESULTS/$suite-itself.tap"
  fi
  printf '%s\t%s\n' "$suite" "$(elapsed "$since")" >>"$RESULTS/times"
  say "== $suite took $(elapsed "$since")"
}

# summarize: every failed test by its name, then how many there were. A skipped test is a failure in CI:
# whatever it requires has to be there.
summarize() {
  local passed failed skipped
  failed=$(cat "$RESULTS"/*.tap | grep -c '^not ok' || true)
  skipped=$(cat "$RESULTS"/*.tap | grep -cE '^ok .*# skip' || true)
  passed=$(($(cat "$RESULTS"/*.tap | grep -c '^ok' || true) - skipped))
  expand -t 12 "$RESULTS/times" >&2
  grep -H '^not ok' "$RESULTS"/*.tap | sed "s|^$RESULTS/||" || true
  grep -hE '^ok .*# skip' "$RESULTS"/*.tap || true
  if [ "${CI:-}" = true ]; then
    failed=$((failed + skipped))
    skipped=0
  fi
  if [ "$skipped" -gt 0 ]; then
    echo "$passed passed, $failed failed, $skipped skipped"
  else
    echo "$passed passed, $failed failed"
  fi
  [ "$failed" = 0 ] && [ "$passed" -gt 0 ]
}

# run_bats NAME FILE...: results in build/results/NAME.tap. E2E_FILTER chooses tests by their names.
run_bats() {
  local name=$1 status=0 report formatter=tap
  shift
  [ ! -t 1 ] || formatter=pretty
  report=$(mktemp -d)
  mkdir -p "$RESULTS"
  BATS_TEST_TIMEOUT=${BATS_TEST_TIMEOUT:-900} "$BATS/usr/bin/bats" --formatter "$formatter" --timing \
    --report-formatter tap --output "$report" ${E2E_FILTER:+--filter "$E2E_FILTER"} "$@" </dev/null || status=$?
  # A file that stops in the middle leaves a plan that is not fulfilled.
  if ! cp "$report/report.tap" "$RESULTS/$name.tap"; then
    echo "not ok 1 - $name leaves a report" >"$RESULTS/$name.tap"
  elif [ "$status" != 0 ] && ! grep -q '^not ok' "$RESULTS/$name.tap"; then
    echo "not ok 0 - $name ends with status $status" >>"$RESULTS/$name.tap"
  fi
  rm -rf "$report"
  return "$status"
}

suite_lint() {
  cmd_lint
  echo "ok 1 - the sources pass the linters" >"$RESULTS/lint.tap"
}

suite_unit() { cmd_unit; }

suite_app() {
  need test
  cmd_app
  run_bats app "$ROOT"/bats/lib/*.bats "$ROOT"/bats/app/*.bats
}

suite_image() {
  need test
  cmd_image
  run_bats image "$ROOT"/bats/image/*.bats
}

suite_faults() {
  need test power unit
  cmd_app
  run_bats faults "$ROOT"/bats/faults/*.bats
}

suite_chart() {
  cmd_chart
  need test
  cmd_app
  run_bats chart "$ROOT"/bats/chart/*.bats
}

suite_cluster() {
  need test
  run_bats cluster-decisions "$ROOT/bats/cluster/decisions.bats"
  # Outside bats, so that the progress of the node image is seen.
  cluster_main up
  export E2E_KUBECONFIG=$CLUSTER_KUBECONFIG
  run_bats cluster "$ROOT/bats/cluster/cluster.bats"
}

suite_e2e() {
  # shellcheck source=bats/chart/chart.sh
  source "$ROOT/bats/chart/chart.sh"
  e2e_main
}
