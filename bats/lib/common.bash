# The test language that all of the tests share.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=$ROOT/build
PATH=$BUILD/tools/bin:$PATH
# What is visited is on this machine, whatever proxy leads out of it.
no_proxy=127.0.0.1,::1,localhost NO_PROXY=$no_proxy
export ROOT BUILD PATH no_proxy NO_PROXY

export BATS_LIB_PATH=$BUILD/tools/bats/usr/lib/bats
bats_require_minimum_version 1.5.0
bats_load_library bats-support
bats_load_library bats-assert
bats_load_library bats-file

# shellcheck source=bats/lib/try.bash
source "$ROOT/bats/lib/try.bash"

# version: the program's.
version() { bash -euo pipefail -c 'source "$1/build.sh"; echo "$VERSION"' version "$ROOT"; }

# requires WHAT...: skips the test where the machine lacks something, except in CI, where that is a failure.
requires() {
  local what
  for what in "$@"; do
    case $what in
      root) [ "$(id -u)" = 0 ] || skip_or_fail "this machine lacks root's rights" ;;
      docker) docker info >/dev/null 2>&1 || skip_or_fail "this machine lacks a docker engine" ;;
      command:*) command -v "${what#command:}" >/dev/null || skip_or_fail "this machine lacks the command ${what#command:}" ;;
      *) fail "BUG: requires does not know $what" ;;
    esac || return
  done
}

# skip_or_fail WHY: skips the test, except in CI.
skip_or_fail() {
  [ -z "${CI:-}" ] || fail "$1" || return
  skip "$1"
}

# rounds USUAL LONG: prints how many times to do something; LONG=1 asks for the larger number.
rounds() { if [ "${LONG:-}" = 1 ]; then echo "$2"; else echo "$1"; fi; }

# --- The program on this machine. WEB_APP may name another build of it, such as build/sanitized/web-app.

WEB_APP=${WEB_APP:-$BUILD/web-app}
TOOLS=$ROOT/bats/tools

# A line of visits.txt, without its newline. Other clocks may have written a leap second.
TIMESTAMP_SHAPE='[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01]) ([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)\.[0-9]{6}[+-][0-9]{2}:[0-5][0-9]'

# web_app [ARGUMENT...]: the program in the foreground; it has 20 s.
web_app() { timeout 20 "$WEB_APP" "$@" 3>&-; }

# start_web_app [OPTION...]: serves in the background, on free ports of the loopback, with visits in $DATA or
# the test's own directory `data`. Returns when it serves, with $pid, $port, $admin_port, $data and $log set.
# Start it anew with the same $data by `DATA=$data start_web_app`. IN_FRONT='strace ...' goes before it.
start_web_app() {
  data=${DATA:-$(scratch)/data}
  log=$(mktemp "$(scratch)/web-app.XXXXXX.log")
  # shellcheck disable=SC2086 # IN_FRONT is a command with its arguments
  ${IN_FRONT:-} "$WEB_APP" serve --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --data-dir "$data" "$@" \
    >"$log" 2>&1 </dev/null 3>&- &
  pid=$!
  started "$pid"
  try --max 400 --delay 0.05 -- has_started "$pid" "$log" || return
  log_has 'serving on' || fail "web-app did not start: $(cat "$log")" || return
  local address
  address=$(sed -n 's/.* serving on http:\/\/\(.*\)\/ (admin \(.*\)), visits in .*/\1 \2/p' "$log")
  port=${address%% *} port=${port##*:}
  admin_port=${address##*:}
}

has_started() { grep -q 'serving on' "$2" || ! kill -0 "$1" 2>/dev/null; }

# scratch: the directory of this test or, in setup_file, of this file.
scratch() { echo "${BATS_TEST_TMPDIR:-$BATS_FILE_TMPDIR}"; }

# log_has REGEX: the log of the last started program has such a line.
log_has() { grep -qE -- "$1" "$log"; }

# wait_log REGEX: waits until it has.
wait_log() { try --max 200 --delay 0.05 -- log_has "$1" || fail "no line $1 in the log: $(cat "$log")"; }

# stop_web_app [SIGNAL]: ends the last started program with SIGTERM or another signal, and returns its exit
# code.
stop_web_app() {
  kill -s "${1:-TERM}" "$pid"
  wait "$pid"
}

# stop_started: ends what the test has left running; for a teardown. Only what start_web_app, in_background and
# started have noted is touched, each by its id.
stop_started() {
  local one
  [ -e "$(scratch)/started" ] || return 0
  while read -r one; do
    kill -KILL "$one" 2>/dev/null || true
    wait "$one" 2>/dev/null || true
  done <"$(scratch)/started"
  rm "$(scratch)/started"
}

# started ID...: notes a process to be ended with the test. In a file, since `run` is a subshell.
started() { printf '%s\n' "$@" >>"$(scratch)/started"; }

# in_background OUTPUT COMMAND...: runs it beside the test, which sets $background to its id.
in_background() {
  local output=$1
  shift
  : >"$output" # now, so that nobody takes an earlier command's output for this one's
  "$@" >"$output" 2>&1 </dev/null 3>&- &
  background=$!
  started "$background"
}

teardown() {
  stop_started
  refute_sanitizer || return
  [ -n "${BATS_TEST_COMPLETED:-}" ] || tail -n 20 "$(scratch)"/web-app.*.log 2>/dev/null || true
}

# refute_sanitizer: no sanitizer has found anything, where WEB_APP names a build that has them.
refute_sanitizer() { ! grep -E 'Sanitizer|runtime error:' "$(scratch)"/web-app.*.log 2>/dev/null; }

# get PATH [CURL-OPTION...]: the body of a response on the public port; fails unless its status is 200.
get() { curl -sS --fail-with-body --max-time 20 "${@:2}" "http://127.0.0.1:$port$1"; }

# admin PATH [CURL-OPTION...]: the same on the admin port.
admin() { curl -sS --fail-with-body --max-time 20 "${@:2}" "http://127.0.0.1:$admin_port$1"; }

# status_of PATH [CURL-OPTION...]: the status alone.
status_of() { curl -sS -o /dev/null -w '%{http_code}\n' --max-time 20 "${@:2}" "http://127.0.0.1:$port$1"; }

# metric NAME: its value; NAME with its labels, as it is exported.
metric() { admin /metrics | awk -v name="$1" '$1 == name { print $2; found = 1 } END { exit !found }'; }

# visit [N]: visits the page N times over one connection and prints each response, which is JSON.
visit() {
  local urls=() i
  for ((i = 0; i < ${1:-1}; i++)); do urls+=("http://127.0.0.1:$port/"); done
  curl -sS --fail --max-time 20 -H 'Accept: application/json' "${urls[@]}"
}

# visitor OUT OPTION...: bats/tools/visitor.py on the last started program; acknowledged visits go to OUT.
visitor() { "$TOOLS/visitor.py" --url "http://127.0.0.1:$port/" --out "$@"; }

# visitor_in_background OUT OPTION...: the same beside the test; its summary goes to the file `summary` of the
# test's directory, and its id to $background.
visitor_in_background() {
  in_background "$(scratch)/summary" "$TOOLS/visitor.py" --url "http://127.0.0.1:$port/" --out "$@"
}

# count_visits: how many lines visits.txt has.
count_visits() { wc -l <"$data/visits.txt"; }

# assert_timestamp LINE: it is a line of visits.txt, without its newline.
assert_timestamp() { assert_regex "$1" "^$TIMESTAMP_SHAPE\$"; }

# assert_visits N: visits.txt has N lines, and nothing else.
assert_visits() {
  local wrong
  wrong=$(grep -cvxE -- "$TIMESTAMP_SHAPE" "$data/visits.txt") || true
  assert_equal "$(count_visits) lines, $wrong of them damaged" "$1 lines, 0 of them damaged" || return
  assert_equal "$(wc -c <"$data/visits.txt")" $((33 * $1))
}

# assert_recorded OUT: each visit that visitor.py has noted as acknowledged is in visits.txt under its number, and no
# number was given twice.
assert_recorded() {
  run awk -F '\t' '
    FNR == NR { line[FNR] = $0; next }
    seen[$1]++ { print "number", $1, "was given twice"; wrong++ }
    line[$1] != $2 { print "visit", $1, "of", $2, "is in the file as", line[$1]; wrong++ }
    END { exit wrong > 0 }' "$data/visits.txt" "$1"
  assert_success
}

# assert_complaint STATUS REGEX: after `run --separate-stderr`: that exit code, nothing on stdout, and one line on
# stderr, which matches.
assert_complaint() {
  assert_equal "$status" "$1" || return
  assert_equal "$output" "" || return
  assert_equal "${#stderr_lines[@]}" 1 || return
  assert_regex "$stderr" "^web-app: $2"
}
