# The log on stderr: a stderr that blocks or fails neither blocks the program nor ends it, and costs only log lines.
# shellcheck disable=SC2154 # start_web_app sets pid, log and data

load ../lib/faults

teardown() {
  stop_started
  unmount_all
  refute_sanitizer || return
  [ -n "${BATS_TEST_COMPLETED:-}" ] || tail -n 20 "$(scratch)"/web-app.*.log 2>/dev/null || true
}

# start_logging_to KIND [OPTION...]: start_web_app with a pipe, socket or terminal as its stderr, which the process $reader
# copies to $log.
start_logging_to() {
  local name
  name=$(mktemp -u "$(scratch)/reader.XXXXXX")
  IN_FRONT="$TOOLS/stderr.py $1 $name" start_web_app "${@:2}" || return
  reader=$(cat "$name")
  reader_state=$name.state
  started "$reader"
}

# reader_stops, reader_reads, reader_closes: it no longer reads and the buffer is full; it reads again; it has closed its end.
reader_stops() { reader_is stopped USR1; }
reader_reads() { reader_is reading USR2; }
reader_closes() { reader_is closed HUP; }
reader_is() {
  kill -s "$2" "$reader"
  try --max 200 --delay 0.05 -- grep -qx "$1" "$reader_state"
}

# replaced N: another process replaces the file N times, with a torn line after its visits, so that two lines are logged.
replaced() {
  local i
  for ((i = 0; i < $1; i++)); do
    grep -xE -- "$TIMESTAMP_SHAPE" "$data/visits.txt" >"$data/new"
    printf torn >>"$data/new"
    mv "$data/new" "$data/visits.txt"
    kill -s USR1 "$pid"
    is_whole() { ! grep -q torn "$data/visits.txt" && visit; }
    try --max 400 --delay 0.05 -- is_whole >/dev/null || fail "the file was not reopened" || return
  done
}

syncs_again() {
  local before
  before=$(metric web_app_sync_duration_seconds_count)
  visit >/dev/null || return
  has_synced() { [ "$(metric web_app_sync_duration_seconds_count)" -gt "$before" ]; }
  try --max 200 --delay 0.1 -- has_synced || fail "it no longer syncs"
}

ended_within() {
  timeout "$1" tail --pid="$pid" -s 0.05 -f /dev/null || fail "it still runs" || return
  wait "$pid"
}

# goes_on_without_reader KIND: with a stderr that takes nothing more it serves, syncs, and ends at SIGTERM.
goes_on_without_reader() {
  start_logging_to "$1" --sync interval
  visit 3 >/dev/null
  reader_stops
  replaced 1 || return
  syncs_again || return
  assert_equal "$(admin /readyz)" ready || return
  assert_equal "$(metric web_app_log_lines_dropped_total)" 0 || return
  kill "$pid"
  ended_within 60 || return
  assert_visits 5
}

@test "a full pipe that nobody reads delays neither visits nor syncs nor SIGTERM" { goes_on_without_reader pipe; }

@test "the same with a full socket" { goes_on_without_reader socket; }

@test "the same with a terminal that is stopped with ^S" { goes_on_without_reader terminal; }

# run_with_full_pipe COMMAND...: in the background, with a pipe as stderr that is full and that nobody reads.
run_with_full_pipe() {
  local fifo
  fifo=$(mktemp -u "$BATS_TEST_TMPDIR/fifo.XXXXXX")
  mkfifo "$fifo"
  exec {full}<>"$fifo"
  in_background "$BATS_TEST_TMPDIR/dd" dd if=/dev/zero of="$fifo" bs=4k oflag=nonblock
  wait "$background" || true
  "$@" 2>"$fifo" </dev/null >/dev/null 3>&- &
  pid=$!
  started "$pid"
}

# starts_with_full_pipe COMMAND...: the program, which COMMAND precedes, serves and ends all the same.
starts_with_full_pipe() {
  data=$BATS_TEST_TMPDIR/data
  run_with_full_pipe "$@" "$WEB_APP" serve --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --data-dir "$data"
  listens() { ss -Hltnp | grep -q "pid=$pid,"; }
  try --max 100 --delay 0.1 -- listens || fail "it does not start" || return
  kill "$pid"
  ended_within 60 || return
  exec {full}>&-
}

@test "with a full pipe the program starts too, and with lines to log before it serves" {
  starts_with_full_pipe
  starts_with_full_pipe env TZ=America/New_York WEB_APP_LISTN=9
  requires command:prlimit
  starts_with_full_pipe prlimit --nofile=200:200
}

@test "with a full pipe a start that fails has its exit code" {
  start_web_app
  run_with_full_pipe "$WEB_APP" serve --listen "127.0.0.1:$port"
  timeout 60 tail --pid="$pid" -s 0.05 -f /dev/null || fail "it still runs"
  local code=0
  wait "$pid" || code=$?
  assert_equal "$code" 1
}

@test "a second SIGTERM ends the drain at once, though nobody reads the log" {
  start_logging_to pipe --drain 10m
  visit >/dev/null
  reader_stops
  exec {half}<>"/dev/tcp/127.0.0.1/$port"
  printf 'GET / HTTP/1.1\r\nHost: a\r\n' >&"$half"
  get /healthz >/dev/null # read after the half of the request
  kill "$pid"
  is_shutting_down() { admin /readyz | grep -x "not ready: shutting down"; }
  try --max 200 --delay 0.05 -- is_shutting_down
  kill "$pid"
  ended_within 60
  assert_visits 1
}

@test "with a full pipe and a full disk it is not ready, becomes ready, and ends at SIGTERM" {
  requires root
  local full="not ready: No space left on device"
  volume tmpfs 256k
  DATA=$volume/data start_logging_to pipe
  visitor_in_background "$BATS_TEST_TMPDIR/out" --connections 8 --seconds 120
  reader_stops
  ready_is() { [ "$(curl -sS --max-time 20 "http://127.0.0.1:$admin_port/readyz")" = "$1" ]; }
  try --max 600 --delay 0.1 -- ready_is "$full"
  kill "$background"
  wait "$background"
  mount -o remount,size=1m "$volume"
  try --max 200 --delay 0.1 -- ready_is ready
  visit | jq -r '"\(.visit)\t\(.time)"' >>"$BATS_TEST_TMPDIR/out"
  kill "$pid"
  ended_within 60
  assert_recorded "$BATS_TEST_TMPDIR/out"
  assert_visits "$(wc -l <"$BATS_TEST_TMPDIR/out")"
}

@test "lines that do not fit are counted, and a line says how many, once there is a reader again; no two lines are mixed" {
  local kind lost
  for kind in pipe socket terminal; do
    start_logging_to "$kind"
    visit >/dev/null
    reader_stops
    replaced 12
    # Twice 12 lines, of which 16 wait in the queue, and the thread has one.
    has_dropped() { lost=$(metric web_app_log_lines_dropped_total) && [ "$lost" -ge 6 ]; }
    try --max 200 --delay 0.05 -- has_dropped
    has_dropped
    reader_reads
    wait_log "^web-app: dropped $lost log lines that stderr did not take$"
    kill "$pid"
    ended_within 60
    try --max 100 --delay 0.05 -- log_has '^web-app: stopped with 13 visits recorded$'
    assert_equal "$(grep -cvE '^web-app: [a-zA-Z0-9]' "$log")" 0
    assert_equal "$(grep -c 'web-app: .*web-app: ' "$log")" 0
    rm -r "$data"
  done
}

@test "a pipe, socket or terminal whose other end is closed costs the log lines and nothing else" {
  local kind
  for kind in pipe socket terminal; do
    start_logging_to "$kind" --sync interval
    visit 2 >/dev/null
    reader_closes
    replaced 1
    syncs_again
    lost_some() { [ "$(metric web_app_log_lines_dropped_total)" -ge 2 ]; }
    try --max 200 --delay 0.05 -- lost_some
    kill "$pid"
    ended_within 60
    assert_visits 4
    rm -r "$data"
  done
}

@test "a log file on a full disk loses lines and mixes none" {
  requires root
  volume tmpfs 64k
  data=$BATS_TEST_TMPDIR/data
  # IN_FRONT is one command without quotes; this one opens another stderr.
  printf '#!/bin/sh\nexec "$@" 2>>%s/log\n' "$volume" >"$BATS_TEST_TMPDIR/front"
  chmod +x "$BATS_TEST_TMPDIR/front"
  # The last page has room for the beginning of the first line that does not fit.
  "$BATS_TEST_TMPDIR/front" sh -c 'head -c 3900 /dev/zero >&2'
  dd if=/dev/zero bs=4k of="$volume/rest" status=none 2>/dev/null || true
  "$BATS_TEST_TMPDIR/front" "$WEB_APP" serve --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --data-dir "$data" \
    </dev/null >/dev/null 3>&- &
  pid=$!
  started "$pid"
  log=$volume/log
  serving() { grep -aq 'serving on' "$log"; }
  try --max 200 --delay 0.05 -- serving
  [[ $(tr -d '\0' <"$log") =~ serving\ on\ http://127.0.0.1:([0-9]+)/\ \(admin\ 127.0.0.1:([0-9]+) ]]
  port=${BASH_REMATCH[1]} admin_port=${BASH_REMATCH[2]}
  visit >/dev/null
  replaced 2
  lost_some() { [ "$(metric web_app_log_lines_dropped_total)" -ge 2 ]; }
  try --max 200 --delay 0.05 -- lost_some
  rm "$volume/rest"
  kill "$pid"
  ended_within 60
  tr -d '\0' <"$log" >"$BATS_TEST_TMPDIR/lines"
  assert_equal "$(grep -cE 'web-app: .*web-app: ' "$BATS_TEST_TMPDIR/lines")" 0
  run cat "$BATS_TEST_TMPDIR/lines"
  assert_line --regexp '^web-app: SIGTERM: '
  assert_line --regexp '^web-app: dropped [0-9]+ log lines that stderr did not take$'
}

@test "control: a program that writes its log as any other file is found out" {
  mutant logs-with-blocking-write
  run goes_on_without_reader pipe
  assert_failure
  run starts_with_full_pipe env TZ=America/New_York
  assert_failure
  assert_output --partial "it does not start"
}
