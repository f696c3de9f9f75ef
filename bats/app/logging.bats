# The log on stderr: a stderr that blocks or fails neither blocks the program nor ends it, and costs only log lines. As JSON it
# is an object a line, whatever happens; and README has each line.
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

# --- As JSON.

# start_json: start_web_app with the log as JSON; notes the time.
start_json() {
  since=$EPOCHREALTIME
  start_web_app --log-format json
}

# json_log: `LEVEL MESSAGE` for each line of the log, all of which must be objects with a time since start_json.
json_log() { "$TOOLS/json_log.py" "$log" "$since"; }

# wait_says LEVEL MESSAGE: waits until the log as JSON has that line. MESSAGE needs no escape.
wait_says() {
  try --max 200 --delay 0.05 -- grep -qF -- "\"message\":\"$2\"" "$log"
  json_log | grep -qxF -- "$1 $2" || fail "no line $* in the log: $(cat "$log")"
}

# json_life: a start that repairs the file, which is locked, then replaced, and an end.
json_life() {
  data=$BATS_TEST_TMPDIR/data
  mkdir -p "$data"
  printf '2022-11-28 22:54:26.913511+03:00\n2022-' >"$data/visits.txt"
  in_background "$BATS_TEST_TMPDIR/holder" flock --no-fork "$data/visits.txt" sleep 60
  is_locked() { ! flock --nonblock "$data/visits.txt" true; }
  try --max 100 --delay 0.05 -- is_locked || return
  DATA=$data start_json || return
  wait_says error "$data/visits.txt is in use by another process; not ready, retrying" || return
  assert_equal "$(status_of /)" 503 || return
  kill "$background" || return
  wait_says info "ready again: $data/visits.txt is writable; 1 visits got 503 meanwhile" || return
  visit 2 >/dev/null
  replaced 1 || return
  stop_web_app || return
  run json_log
  assert_success || return
  assert_line --index 0 "error $data/visits.txt is in use by another process; not ready, retrying" || return
  assert_line --index 1 --regexp "^info serving on http://127.0.0.1:$port/ .* log-format=json$" || return
  assert_line --regexp "^warning truncated 5 bytes of a torn line from $data/visits.txt; kept in $data/visits.txt.torn-" || return
  assert_line --regexp "^info reopened $data/visits.txt: 3 visits$" || return
  assert_line "info SIGTERM: draining open connections for up to 5000 ms" || return
  assert_line --index $((${#lines[@]} - 1)) "info stopped with 4 visits recorded"
}

@test "as JSON each line of a life is an object with its time in UTC, its level and its message" { json_life; }

@test "control: a log with the local time is found out" {
  mutant logs-local-time
  run json_life
  assert_failure
  assert_output --partial "has a wrong time"
}

@test "as JSON a full disk, and what follows it, is an error and then information" {
  requires root
  volume tmpfs 1m
  DATA=$volume/data start_json
  dd if=/dev/zero bs=4k of="$volume/rest" status=none 2>/dev/null || true
  assert_equal "$(status_of /)" 503
  wait_says error "cannot write $data/visits.txt: No space left on device; not ready, retrying"
  rm "$volume/rest"
  is_ready_again() { json_log | grep -qx "info ready again: $data/visits.txt is writable; [1-9][0-9]* visits got 503 meanwhile"; }
  try --max 200 --delay 0.05 -- is_ready_again
}

@test "as JSON the number of dropped lines is a warning, and no object is mixed with another" {
  since=$EPOCHREALTIME
  start_logging_to pipe --log-format json
  visit >/dev/null
  reader_stops
  replaced 12
  has_dropped() { [ "$(metric web_app_log_lines_dropped_total)" -ge 6 ]; }
  try --max 200 --delay 0.05 -- has_dropped
  local lost
  lost=$(metric web_app_log_lines_dropped_total)
  reader_reads
  wait_says warning "dropped $lost log lines that stderr did not take"
  kill "$pid"
  ended_within 60
  wait_says info "stopped with 13 visits recorded"
}

# json_names: directories whose names are no text. What the message has of each is known.
json_names() {
  local name expected
  while read -r name expected; do
    name=$(printf "%b" "$name.")
    DATA=$BATS_TEST_TMPDIR/${name%.} start_json || return
    stop_web_app || return
    run json_log
    assert_success || return
    assert_line --index 0 --partial ", visits in $BATS_TEST_TMPDIR/$expected/visits.txt (0 so far), " || return
  done <<'EOT'
a"b"\\c a\"b\"\\c
\n\t\033[31m\177 \n\t\u001b[31m\u007f
\0303\0251\0342\0202\0254\0360\0237\0230\0200 \u00e9\u20ac\ud83d\ude00
\0377\0200x \ufffd\ufffdx
a\0303 a\ufffd
\0355\0240\0200 \ufffd\ufffd\ufffd
{"level":"info"} {\"level\":\"info\"}
EOT
}

@test "as JSON a name with quotes, control characters or bytes that are not UTF-8 is escaped or replaced" { json_names; }

@test "control: a name that is not escaped is found out" {
  mutant logs-raw-json
  run json_names
  assert_failure
  assert_output --partial "json_log: "
}

# json_long_names: the end of a line falls on each byte of a character, and of what stands for a byte that is not UTF-8.
json_long_names() {
  local one length LC_ALL=C
  for one in $'\xc3\xa9' $'\xf0\x9f\x98\x80' $'\xff' '"'; do
    for ((length = 1; length <= 6; length++)); do
      data=$BATS_TEST_TMPDIR/$(printf '%.*s' "$length" aaaaaa)
      while [ ${#data} -lt 1200 ]; do data+=/$(printf "%.s$one" {1..60}); done
      # No directory can be made in it, so the start fails with a line that names it.
      since=$EPOCHREALTIME log=$BATS_TEST_TMPDIR/long.log
      run web_app serve --log-format=json --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --data-dir "$data"
      assert_equal "$status" 1 || return
      printf '%s\n' "$output" >"$log"
      run json_log
      assert_success || return
      assert_line --partial "error cannot create $BATS_TEST_TMPDIR/" || return
      assert [ "$(wc -c <"$log")" -gt 1010 ] || return
    done
  done
}

@test "as JSON a line that is too long loses the end of its message, at a character, and nothing else" { json_long_names; }

@test "control: an object that is truncated is found out" {
  mutant cuts-off-json
  run json_long_names
  assert_failure
  assert_output --partial "json_log: "
}

# complains_in_json REGEX NAME=VALUE... -- OPTION...: the program's only line is an object with such a message.
complains_in_json() {
  local expected=$1 environment=()
  shift
  while [ "$1" != -- ]; do
    environment+=("$1")
    shift
  done
  shift
  since=$EPOCHREALTIME log=$BATS_TEST_TMPDIR/complaint.log
  env "${environment[@]}" timeout 20 "$WEB_APP" "$@" 2>"$log" 3>&- || true
  assert_regex "$(json_log)" "^error $expected\$"
}

@test "a complaint about an option is JSON if the environment says so, or an option before it" {
  cd "$BATS_TEST_TMPDIR"
  complains_in_json "--workers=0 is not allowed; give a number from 1 to 64" -- --log-format json --workers=0
  complains_in_json "--workers=0 is not allowed; give a number from 1 to 64" WEB_APP_LOG_FORMAT=json -- --workers=0
  complains_in_json "WEB_APP_DRAIN=x is not allowed; give a number with ms, s or m, up to 60m" \
    WEB_APP_LOG_FORMAT=json WEB_APP_DRAIN=x -- serve
  complains_in_json "there is no option --nonsense here; see web-app help" WEB_APP_LOG_FORMAT=json -- --nonsense
  run --separate-stderr web_app --workers=0 --log-format json
  assert_complaint 2 "--workers=0 is not allowed"
  WEB_APP_LOG_FORMAT=xml run --separate-stderr web_app
  assert_complaint 2 "WEB_APP_LOG_FORMAT=xml is not allowed; give text or json"
  # The other verbs write for people.
  WEB_APP_LOG_FORMAT=json run --separate-stderr web_app visits --tail=x
  assert_complaint 2 "--tail=x is not allowed"
}

@test "as JSON a start that fails, a failed assertion and a forbidden system call are errors" {
  start_json
  complains_in_json "cannot listen on --listen=127.0.0.1:$port: Address (already )?in use; give --listen another" -- \
    --log-format json --listen "127.0.0.1:$port" --data-dir "$BATS_TEST_TMPDIR/other"
  stop_web_app
  mutant obeys-visitors
  start_json
  run curl -sS --max-time 20 "http://127.0.0.1:$port/assert"
  assert_failure
  local code=0
  wait "$pid" || code=$?
  assert_equal "$code" 134
  run json_log
  assert_line --index 1 --regexp '^error .*routes\.c:[0-9]+: assertion failed$'
  start_json
  log_has ' sandbox=on ' || skip_or_fail "this machine has no seccomp or no Landlock"
  run curl -sS --max-time 20 "http://127.0.0.1:$port/socket"
  assert_failure
  wait "$pid" || code=$?
  assert_equal "$code" 4
  run json_log
  assert_line --index 1 "error system call 41 of architecture c000003e is not allowed; --sandbox=off would allow it"
}

@test "README's command prints what needs a look, and skips what is no JSON" {
  requires command:jq
  local command
  command=$(sed -n '/<!-- the log by jq -->/,/^```$/s/^kubectl logs [^|]*| //p' "$ROOT/README.md")
  [[ $command == "jq "* ]] || fail "README has no such command: $command"
  json_life
  echo '{"time":"2026-11-29T14:00:00.000000Z","level":"error","mess' >>"$log"
  run bash -c "$command" <"$log"
  assert_success
  assert_line --regexp "Z error $data/visits.txt is in use by another process; not ready, retrying$"
  assert_line --regexp 'Z warning truncated '
  refute_line --partial serving
  assert_equal "$output" "$(jq -rR 'fromjson? | select(.level == "error" or .level == "warning") | [.time, .level, .message] | join(" ")' "$log")"
}

# --- README's table of the lines.

@test "README's table has each line that serve can log, with its level, and no other" {
  run "$TOOLS/log_lines.py" "$ROOT/app" "$ROOT/README.md"
  assert_success
  assert_output --regexp '^[0-9]+ lines$'
}

# found_out OUTPUT: the copies of the sources and of README in $copy no longer agree.
found_out() {
  run "$TOOLS/log_lines.py" "$copy/app" "$copy/README.md"
  assert_failure || return
  assert_output "$1" || return
  cp -r "$ROOT/app" "$ROOT/README.md" "$copy/"
}

@test "control: a line without a row, a row without a line and a wrong level are found out" {
  copy=$BATS_TEST_TMPDIR/copy
  mkdir "$copy"
  cp -r "$ROOT/app" "$ROOT/README.md" "$copy/"
  sed -i 's/    log_in_background();/&\n    inform("a new line of %s", "serve");/' "$copy/app/serve.c"
  found_out "is not in the table: a new line of %s"
  sed -i 's/is not a directory; name another/is no directory; name another/' "$copy/app/report.c"
  found_out "is not in the table: %s is no directory; name another --data-dir
is logged nowhere: DIRECTORY is not a directory; name another --data-dir"
  sed -i 's/"out of memory"/"there is no memory"/' "$copy/app/site/server.c"
  found_out "is not in the table: there is no memory
is logged nowhere: out of memory"
  sed -i 's/inform("%s responds again"/warn("%s responds again"/' "$copy/app/serve.c"
  found_out "is of level warning, and not info: %s responds again"
  sed -i '/^| info | `DIRECTORY responds again`/d' "$copy/README.md"
  found_out "is not in the table: %s responds again"
  sed -i 's/^| info | `DIRECTORY responds again`.*/&\n&/' "$copy/README.md"
  found_out "is in the table more than once: %s responds again"
  sed -i 's/^<!-- .log -->/| info | `another line` | | |\n&/' "$copy/README.md"
  found_out "is logged nowhere: another line"
}
