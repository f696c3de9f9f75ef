# The test language that all of the tests share.
# shellcheck shell=bash

ROOT=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
BUILD=$ROOT/build
PATH=$BUILD/tools/bin:$PATH
# The programs under test are on this machine, so no proxy may be used.
no_proxy=127.0.0.1,::1,localhost NO_PROXY=$no_proxy
export ROOT BUILD PATH no_proxy NO_PROXY

bats_require_minimum_version 1.5.0
# Not by bats_load_library: every test loads them, and their load.bash start 20 processes.
for library in "$BUILD"/tools/bats/usr/lib/bats/bats-{support,assert,file}/src/*.bash; do
  # shellcheck source=/dev/null
  source "$library"
done

# shellcheck source=bats/lib/try.bash
source "$ROOT/bats/lib/try.bash"
# shellcheck source=bats/lib/processes.bash
source "$ROOT/bats/lib/processes.bash"

# At BATS_TEST_TIMEOUT bats 1.11 ends the children of the test's shell. The command of `run` is further down, and the
# shell would wait for it for ever. This replaces bats' function by one that ends all descendants, except this one.
bats_kill_childprocesses_of() { end_descendants "$1" "$BASHPID"; }

# At the end of a test bats 1.11 ends its countdown by SIGABRT. In a countdown that has just begun, this signal is lost or
# spares its sleep(1), which then keeps the output of the suite open for all of BATS_TEST_TIMEOUT. This replaces bats'
# function, except at the time limit, where the countdown is still ending processes. One that is stopped starts no other, but
# kill(2) returns before it is. SIGTERM could be lost like SIGABRT.
bats_abort_timeout_countdown() {
  local children="" stat
  [ -z "${BATS_TIMED_OUT:-}" ] || return 0
  kill -STOP "$1" 2>/dev/null || return 0
  while read -r stat <"/proc/$1/stat" && [[ ${stat##*) } = [RSD]* ]]; do :; done 2>/dev/null
  { children=$(<"/proc/$1/task/$1/children"); } 2>/dev/null || children=$(ps -o pid= --ppid "$1")
  disown "$1" 2>/dev/null || true # else the shell would report its end
  # shellcheck disable=SC2086 # the ids of processes
  kill -KILL "$1" $children 2>/dev/null || true
}

# Below `run`, and in setup_file, where bats has no limit, these have one of their own.
helm() { limited helm "$@" </dev/null 3>&-; }
helm3() { limited helm3 "$@" </dev/null 3>&-; } # the last release of the older Helm, which users have too
kubectl() { limited kubectl "$@" </dev/null 3>&-; }
docker() { limited docker "$@" </dev/null 3>&-; }

# version: prints VERSION of build.sh.
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

# --- The program on this machine. WEB_APP may name another build, such as build/sanitized/web-app.

WEB_APP=${WEB_APP:-$BUILD/web-app}
TOOLS=$ROOT/bats/tools

# A line of visits.txt, without its newline. Another program may have written a leap second.
TIMESTAMP_SHAPE='[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01]) ([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)\.[0-9]{6}[+-][0-9]{2}:[0-5][0-9]'

# web_app [ARGUMENT...]: the program in the foreground; it has 20 s.
web_app() { timeout 20 "$WEB_APP" "$@" 3>&-; }

# start_web_app [OPTION...]: serves in the background, on free ports of the loopback, with visits in $DATA or
# the test's own directory `data`. Returns when it serves, with $pid, $port, $admin_port, $data and $log set.
# `DATA=$data start_web_app` starts it again on the same $data. IN_FRONT='strace ...' goes before the command.
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
  address=$(sed -n 's/.*[ "]serving on http:\/\/\(.*\)\/ (admin \(.*\)), visits in .*/\1 \2/p' "$log")
  port=${address%% *} port=${port##*:}
  admin_port=${address##*:}
}

has_started() { grep -q 'serving on' "$2" || ! kill -0 "$1" 2>/dev/null; }

# scratch: the directory of this test or, in setup_file, of this file.
scratch() { echo "${BATS_TEST_TMPDIR:-$BATS_FILE_TMPDIR}"; }

# log_has REGEX: the log of the last started program has such a line.
log_has() { grep -qE -- "$1" "$log"; }

# wait_log REGEX: waits until the log has such a line.
wait_log() { try --max 200 --delay 0.05 -- log_has "$1" || fail "no line $1 in the log: $(cat "$log")"; }

# stop_web_app [SIGNAL]: ends the last started program with SIGTERM or another signal, and returns its exit
# code.
stop_web_app() {
  kill -s "${1:-TERM}" "$pid"
  wait "$pid"
}

# stop_started: ends what the test has left running; for a teardown. It ends only processes that start_web_app,
# in_background and started have noted, by their ids.
stop_started() {
  local one since
  [ -e "$(scratch)/started" ] || return 0
  while read -r one since; do
    [ "$(start_of "$one")" = "$since" ] || continue
    kill -KILL "$one" 2>/dev/null || true
    wait "$one" 2>/dev/null || true
  done <"$(scratch)/started"
  rm "$(scratch)/started"
}

# started ID...: notes a process to be ended with the test. In a file, since `run` is a subshell.
started() {
  local one
  for one in "$@"; do echo "$one $(start_of "$one")"; done >>"$(scratch)/started"
}

# start_of ID: prints the time when that process started, or nothing if it has ended. The kernel gives its id to another one
# some time after its end.
start_of() {
  local stat fields
  { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 0
  # Field 22 of proc_pid_stat(5); the second one ends with the last parenthesis.
  read -r -a fields <<<"${stat##*) }"
  echo "${fields[19]}"
}

# in_background OUTPUT COMMAND...: runs it beside the test, which sets $background to its id.
in_background() {
  local output=$1
  shift
  : >"$output" # here, so that the caller cannot read the output of an earlier command
  "$@" >"$output" 2>&1 </dev/null 3>&- &
  background=$!
  started "$background"
}

teardown() {
  stop_started
  refute_sanitizer || return
  [ -n "${BATS_TEST_COMPLETED:-}" ] || tail -n 20 "$(scratch)"/web-app.*.log 2>/dev/null || true
}

# refute_sanitizer: no sanitizer of the build that WEB_APP names has reported anything.
refute_sanitizer() { ! grep -E 'Sanitizer|runtime error:' "$(scratch)"/web-app.*.log 2>/dev/null; }

# get PATH [CURL-OPTION...]: the body of a response on the public port; fails unless its status is 200.
get() { curl -sS --fail-with-body --max-time 20 "${@:2}" "http://127.0.0.1:$port$1"; }

# admin PATH [CURL-OPTION...]: the same on the admin port.
admin() { curl -sS --fail-with-body --max-time 20 "${@:2}" "http://127.0.0.1:$admin_port$1"; }

# status_of PATH [CURL-OPTION...]: the status alone.
status_of() { curl -sS -o /dev/null -w '%{http_code}\n' --max-time 20 "${@:2}" "http://127.0.0.1:$port$1"; }

# metric NAME: prints its value. NAME includes the labels, as /metrics exports them.
metric() { admin /metrics | awk -v name="$1" '$1 == name { print $2; found = 1 } END { exit !found }'; }

# visit [N]: visits the page N times over one connection and prints each response as JSON.
visit() {
  local urls=() i
  for ((i = 0; i < ${1:-1}; i++)); do urls+=("http://127.0.0.1:$port/"); done
  curl -sS --fail --max-time 20 -H 'Accept: application/json' "${urls[@]}"
}

# visitor OUT OPTION...: runs bats/tools/visitor.py on the last started program; acknowledged visits go to OUT.
visitor() { "$TOOLS/visitor.py" --url "http://127.0.0.1:$port/" --out "$@"; }

# visitor_in_background OUT OPTION...: the same beside the test; its summary goes to the file `summary` of the
# test's directory, and its id to $background.
visitor_in_background() {
  in_background "$(scratch)/summary" "$TOOLS/visitor.py" --url "http://127.0.0.1:$port/" --out "$@"
}

# count_visits: prints the number of lines of visits.txt.
count_visits() { wc -l <"$data/visits.txt"; }

# assert_timestamp LINE: LINE is a valid line of visits.txt, without its newline.
assert_timestamp() { assert_regex "$1" "^$TIMESTAMP_SHAPE\$"; }

# assert_visits N: visits.txt has N lines, and nothing else.
assert_visits() {
  local wrong
  wrong=$(grep -cvxE -- "$TIMESTAMP_SHAPE" "$data/visits.txt") || true
  assert_equal "$(count_visits) lines, $wrong of them damaged" "$1 lines, 0 of them damaged" || return
  assert_equal "$(wc -c <"$data/visits.txt")" $((33 * $1))
}

# assert_recorded OUT: each acknowledged visit that visitor.py has noted in OUT is in visits.txt under its number, and no
# number was given twice.
assert_recorded() {
  run awk -F '\t' '
    FNR == NR { line[FNR] = $0; next }
    seen[$1]++ { print "number", $1, "was given twice"; wrong++ }
    line[$1] != $2 { print "visit", $1, "of", $2, "is in the file as", line[$1]; wrong++ }
    END { exit wrong > 0 }' "$data/visits.txt" "$1"
  assert_success
}

# assert_complaint STATUS REGEX: after `run --separate-stderr`, the exit code is STATUS, stdout is empty, and stderr is
# one line that matches.
assert_complaint() {
  assert_equal "$status" "$1" || return
  assert_equal "$output" "" || return
  assert_equal "${#stderr_lines[@]}" 1 || return
  assert_regex "$stderr" "^web-app: $2"
}
