# Runs the test suites and counts the results. Sourced by build.sh.
# shellcheck shell=bash

# shellcheck source=bats/chart/chart.sh
source "$ROOT/bats/chart/chart.sh"
# shellcheck source=bats/cluster/cluster.sh
source "$ROOT/bats/cluster/cluster.sh"

# shellcheck source=bats/lib/processes.bash
source "$ROOT/bats/lib/processes.bash"

readonly RESULTS=$BUILD/results

# The suites, the cheap ones first, so that most failures show early.
readonly SUITES=(lint unit lib app image chart faults cluster e2e)

# The files of e2e in their order. First one after another: the basis of all others, the drain of a node, and the tests of
# visits under load while the cluster takes pods out of its Services. Then the rest side by side.
readonly E2E_ALONE=(install parallel persistence traffic upgrade)
readonly E2E_TOGETHER=(prove registry reinstall volume metrics helm3 policy networkpolicy gitops termination)
# With LONG=1 these too; and a few on an older Kubernetes.
readonly E2E_LONG=(scale) E2E_CORE=(install parallel persistence networkpolicy)

# The slowest files of the other suites; they start first.
readonly LONGEST=(portable syscalls shares sanitizers slow logging release slow-clients clock fuzz group-commit power-loss
  workers prove chart check inode-numbers)

# The files of app that run on the emulated program for arm64 too. Not check, slow, listings, logging and workers, which measure
# time; data-directory, whose other users may not read this checkout; sandbox, since the emulator has neither seccomp nor
# Landlock; and faults, which look into the process: there it is the emulator's.
readonly EMULATED=(http visits options signals metrics surroundings)

# The number of files that run side by side: tests mostly wait.
readonly JOBS=${JOBS:-3}

# test_main [SUITE[/FILE[:FILTER]]...]: runs these tests, or all. A filter is a regular expression on the tests' names.
# Continues after a failure. CI reads the last line.
test_main() {
  local selection suite since=$EPOCHREALTIME
  declare -A chosen=()
  [ $# -gt 0 ] || set -- "${SUITES[@]}"
  fetch_bats
  # The distribution's Python, which `need` installs. That of a version manager starts shells of its own each time.
  mkdir -p "$BUILD/tools/bin"
  ln -sfn /usr/bin/python3 "$BUILD/tools/bin/python3"
  for selection in "$@"; do
    check_selection "$selection"
    # The chosen files of a suite, one a line; an empty line means the whole suite.
    chosen[${selection%%/*}]+=$(sed -n 's|^[^/]*/||p' <<<"$selection")$'\n'
  done
  rm -rf "$RESULTS" && mkdir -p "$RESULTS"
  # Only a cluster that the tests make is taken down: one that was up before, or that another run makes, is in use.
  if [ "${KEEP:-}" != 1 ] && [ -n "${chosen[cluster]:-}${chosen[e2e]:-}" ] && ! cluster_is_up; then
    trap take_cluster_down EXIT
  fi
  for suite in "${SUITES[@]}"; do
    [ -z "${chosen[$suite]:-}" ] || run_suite "$suite" "${chosen[$suite]}"
  done
  say "the tests took $(elapsed "$since")"
  summarize
}

# files_of SUITE: prints the names of its files, one a line.
files_of() {
  case $1 in
    lint) ;;
    unit) unit_topics ;;
    e2e) printf '%s\n' "${E2E_ALONE[@]}" "${E2E_TOGETHER[@]}" "${E2E_LONG[@]}" ;;
    *) basename -a -s .bats "$ROOT/bats/$1"/*.bats ;;
  esac
}

# longest_first: sorts the names on its input: those of LONGEST first, in its order.
longest_first() {
  awk -v first="${LONGEST[*]}" '
    BEGIN { count = split(first, names, " "); for (i = 1; i <= count; i++) place[names[i]] = i }
    { print ($0 in place ? place[$0] : count + 1) "\t" $0 }' | sort -s -n -k 1,1 | cut -f 2
}

# check_selection SUITE[/FILE[:FILTER]]: dies unless this selects a test.
check_selection() {
  local suite=${1%%/*} file filter files
  known suite "$suite" "${SUITES[@]}"
  [ "$suite" != "$1" ] || return 0
  file=${1#*/} filter=
  if [ "$suite" != unit ] && [ "${file%%:*}" != "$file" ]; then filter=${file#*:} file=${file%%:*}; fi
  mapfile -t files < <(files_of "$suite")
  known file "$suite/$file" "${files[@]/#/$suite/}"
  [ -z "$filter" ] || [ "$(bats --count --filter "$filter" "$ROOT/bats/$suite/$file.bats")" != 0 ] || {
    say "build.sh: no test of $suite/$file matches '$filter'; there are:"
    sed -n 's/^@test "\(.*\)" {.*/  \1/p' "$ROOT/bats/$suite/$file.bats" >&2
    exit 1
  }
}

bats() { "$BATS/usr/bin/bats" "$@"; }

cluster_is_up() { [ -s "$CLUSTER_KUBECONFIG" ]; }

take_cluster_down() {
  ! cluster_is_up || "$ROOT/build.sh" cluster down || true
}

# interrupted SIGNAL: says which tests run, and ends them.
interrupted() {
  local running
  trap '' HUP INT TERM
  running=$(running_tests $$ || true)
  say "SIG$1 ends the tests; running:"
  say "${running:-no bats test}"
  end_descendants $$
  exit $((128 + $(kill -l "$1")))
}

# run_suite SUITE FILES: runs it in a subshell, so that a suite that cannot start counts as a failed test, and the others
# still run.
run_suite() {
  local suite=$1 files since=$EPOCHREALTIME status=0
  trap 'interrupted HUP' HUP
  trap 'interrupted INT' INT
  trap 'interrupted TERM' TERM
  # An empty line means the whole suite.
  mapfile -t files < <(grep -q '^$' <<<"${2%$'\n'}" || printf %s "$2")
  say "== $suite"
  # In the background, since bash handles no signal while it waits for a command. With job control, since without it the
  # suite would ignore SIGINT.
  set +e -m
  (
    set -e +m
    "suite_$suite" "${files[@]}"
  ) </dev/null &
  set +m
  wait $!
  status=$?
  set -e
  # Otherwise a suite that fails before its first test would not be counted.
  if [ "$status" != 0 ] && ! grep -qs '^not ok' "$RESULTS/$suite".tap "$RESULTS/$suite"-*.tap; then
    echo "not ok 1 - the suite $suite runs to its end" >"$RESULTS/$suite-itself.tap"
  fi
  printf '%s\t%s\n' "$suite" "$(elapsed "$since")" >>"$RESULTS/times"
  say "== $suite took $(elapsed "$since")"
}

# summarize: prints the name of every failed and skipped test, then the counts. In CI a skipped test is a failure, because
# a CI machine must have everything that tests require.
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

# run_files SUITE [FILE[:FILTER]...]: runs these files of a suite, or all.
run_files() {
  local suite=$1 file files filter status=0
  shift
  if [ $# = 0 ]; then
    mapfile -t files < <(files_of "$suite" | longest_first)
    run_bats "$suite" "$JOBS" "" "${files[@]}"
    return
  fi
  for file in "$@"; do
    filter=
    [ "${file%%:*}" = "$file" ] || filter=${file#*:}
    run_bats "$suite-$(slug "$file")" 1 "$filter" "${file%%:*}" || status=1
  done
  return "$status"
}

# run_bats NAME JOBS FILTER FILE...: runs the tests of these files, JOBS files side by side; with a non-empty FILTER only
# the tests that match, and with $without none of that tag. The results go to build/results/NAME.tap; NAME begins with the
# suite's name.
run_bats() {
  local name=$1 jobs=$2 filter=$3 status=0 report formatter=tap files=("${@:4}") side_by_side=()
  files=("${files[@]/%/.bats}")
  [ "$jobs" = 1 ] || side_by_side=(--jobs "$jobs" --no-parallelize-within-files)
  [ ! -t 1 ] || formatter=pretty
  report=$(mktemp -d)
  mkdir -p "$RESULTS"
  BATS_TEST_TIMEOUT=${BATS_TEST_TIMEOUT:-900} bats --formatter "$formatter" --timing "${side_by_side[@]}" \
    --report-formatter tap --output "$report" ${filter:+--filter "$filter"} ${without:+--filter-tags "!$without"} \
    "${files[@]/#/$ROOT/bats/${name%%-*}/}" </dev/null || status=$?
  # If a file stops in the middle, the report has fewer tests than its plan.
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

suite_unit() { cmd_unit "$@"; }

suite_lib() {
  need test
  cmd_app
  run_files lib "$@"
}

suite_app() {
  local both status=0
  need test
  need_browser
  choose_architectures
  cmd_app "${both[@]}"
  [ ${#both[@]} = 0 ] || prepare_emulation
  run_files app "$@" || status=1
  [ ${#both[@]} = 0 ] || [ $# -gt 0 ] || emulated_app || status=1
  return "$status"
}

# choose_architectures: sets `both` to the options for amd64 and arm64; to none where arm64's C library is absent, since apt
# knows no mirror of Debian, and on arm64 itself.
choose_architectures() {
  both=(--arch amd64 --arch arm64)
  [ "$MACHINE" = amd64 ] && [ -n "$(find_debian_mirror)" ] || both=()
}

prepare_emulation() {
  need emulation
  step "compile the unit tests for arm64" build_emulated arm64
}

# emulated_app: runs the files of EMULATED on the program for arm64, without the tests of what is the emulator's own.
emulated_app() {
  local without=native
  WEB_APP=$BUILD/arm64/emulated run_bats app-arm64 "$JOBS" "" "${EMULATED[@]}"
}

suite_image() {
  need test node
  local both
  registry_tools
  choose_architectures
  cmd_image "${both[@]}"
  [ ${#both[@]} = 0 ] || need emulation
  go_tool spdx
  run_files image "$@"
}

suite_faults() {
  need test power unit
  cmd_app
  run_files faults "$@"
}

suite_chart() {
  chart_main
  need test
  cmd_app
  run_files chart "$@"
}

suite_cluster() {
  local file status=0
  need test
  [ $# -gt 0 ] || set -- decisions cluster
  export E2E_KUBECONFIG=$CLUSTER_KUBECONFIG
  for file in "$@"; do
    # Outside bats, so that the progress of the node image is visible.
    [ "${file%%:*}" = decisions ] || up_for_tests
    run_files cluster "$file" || status=1
  done
  return "$status"
}

suite_e2e() {
  chart_tools
  local long=
  [[ ${LONG:-} != 1 && " $* " != *" scale"* ]] || long=1
  [ -z "$long" ] || go_tool kwok
  [[ $# -gt 0 && " $* " != *" registry"* ]] || {
    registry_tools
    fetch_busybox
  }
  need e2e
  cmd_image
  up_for_tests
  step "load the image into the cluster" load_images
  # A test that hangs is ended and reported like any other failure.
  BATS_TEST_TIMEOUT=${BATS_TEST_TIMEOUT:-$([ "$long" ] && echo 1800 || echo 400)}
  export E2E_KUBECONFIG=$CLUSTER_KUBECONFIG BATS_TEST_TIMEOUT
  if [ $# -gt 0 ]; then
    run_files e2e "$@"
    return
  fi
  local status=0
  run_bats e2e-alone 1 "" "${E2E_ALONE[@]}" || status=1
  run_bats e2e-together "$JOBS" "" "${E2E_TOGETHER[@]}" || status=1
  [ "${LONG:-}" != 1 ] || run_bats e2e-long 1 "" "${E2E_LONG[@]}" || status=1
  [ "${LONG:-}" != 1 ] || [ -n "${E2E_CONTEXT:-}" ] || older_kubernetes || status=1
  return "$status"
}

# up_for_tests: makes the cluster.
up_for_tests() {
  cluster_main up
  quick_kubectl
}

# registry_tools: builds the programs that make a release, and the registry to which the tests push it.
registry_tools() {
  need release registry
  go_tool helm helm3 helm-docs yq cosign distribution
}

# older_kubernetes: runs the core of e2e on each older Kubernetes that a cluster can have, on clusters of their own.
older_kubernetes() {
  local minor status=0
  for minor in $(older_minors); do
    (
      export CLUSTER_KUBERNETES=$minor CLUSTER_NAME=web-app-$minor E2E_KUBECONFIG=$BUILD/kubeconfig-web-app-$minor
      trap '"$ROOT/build.sh" cluster down' EXIT
      "$ROOT/build.sh" cluster up &&
        "$ROOT/build.sh" cluster load "web-app:$VERSION" &&
        run_bats "e2e-kubernetes-$minor" 1 "" "${E2E_CORE[@]}"
    ) || status=1
  done
  return "$status"
}

# load_images: loads the image under its own tag, and under the tag of the next version, to which the tests upgrade.
load_images() {
  local next=web-app:${VERSION%.*}.$((${VERSION##*.} + 1))
  docker tag "web-app:$VERSION" "$next"
  cluster_load "web-app:$VERSION" "$next"
  docker rmi "$next"
}
