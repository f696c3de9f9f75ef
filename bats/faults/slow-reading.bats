# A file that takes minutes to read, at the start or after it was replaced: the program listens first, says how far it is,
# refuses visitors at once, and ends when it is told to. strace(1) delays each read of visits.txt.

load ../lib/faults

setup() {
  requires command:strace
  data=$BATS_TEST_TMPDIR/data
  mkdir "$data"
}

# slowly MILLISECONDS: a command for IN_FRONT that delays each pread64(2) of visits.txt.
slowly() { echo "strace -D -f -qq -o /dev/null -e trace=pread64 -e inject=pread64:delay_enter=${1}000 -P $data/visits.txt"; }

# lines N: prints N lines of visits.txt.
lines() { yes "2022-11-28 22:54:26.913511+03:00" | head -n "$1" || [ "${PIPESTATUS[1]}" = 0 ]; }

# start_reading MILLISECONDS: starts the program on 200 blocks of lines, slowly. Returns when it listens.
start_reading() {
  local ports
  lines 409600 >"$data/visits.txt"
  log=$BATS_TEST_TMPDIR/web-app.reading.log
  # shellcheck disable=SC2046 # a command with its arguments
  in_background "$log" $(slowly "$1") "$WEB_APP" serve --data-dir "$data" --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0
  pid=$background
  ports=$(try --max 100 --delay 0.1 -- find_ports) || fail "it does not listen: $(cat "$log")" || return
  read -r port admin_port <<<"$ports"
}

# find_ports: prints the ports on which the program listens, before its log has them; the first socket is that for visitors.
find_ports() {
  local ports
  mapfile -t ports < <(ss -Hltnp | sed -nE "s/.* 127\.0\.0\.1:([0-9]+) .*pid=$pid,fd=([0-9]+).*/\2 \1/p" | sort -n | cut -d ' ' -f 2)
  echo "${ports[@]}"
  [ ${#ports[@]} = 2 ]
}

# percentage: prints how far the reading is; fails unless /readyz says that it is under way.
percentage() { admin_status /readyz && sed -nE 's/^not ready: reading visits\.txt, ([0-9]+) %$/\1/p' "$BATS_TEST_TMPDIR/body" | grep .; }

# admin_status PATH: the response is a 503 with Retry-After; its body is in the file `body`.
admin_status() { is_refused "http://127.0.0.1:$admin_port$1"; }

# is_refused URL: its response, which comes at once, is a 503 with Retry-After.
is_refused() {
  local head
  head=$(curl -sS --max-time 10 -D - -o "$BATS_TEST_TMPDIR/body" "$1") || return
  [[ $head == "HTTP/1.1 503 "* && $head == *$'\nRetry-After: '[0-9]* ]]
}

has_come_further() { [ "$(percentage)" -gt "$1" ]; }

# visitors_are_refused: so are all visitors, and the metrics say why.
visitors_are_refused() {
  is_refused "http://127.0.0.1:$port/" || fail "a visitor is not refused" || return
  assert_regex "$(cat "$BATS_TEST_TMPDIR/body")" 'reading visits\.txt, [0-9]+ %' || return
  is_refused "http://127.0.0.1:$port/readyz" || fail "the public port is ready" || return
  assert_equal "$(get /healthz)" ok || return
  [ "$(metric 'web_app_visit_errors_total{reason="reading"}')" -ge 1 ] || fail "the visit is not counted as refused"
}

# ends_while_reading: SIGTERM ends the program with 0, though the reading has minutes to go.
ends_while_reading() {
  local since=$EPOCHREALTIME
  kill -TERM "$pid"
  try --max 100 --delay 0.1 -- has_ended || fail "it still runs: $(cat "$log")" || return
  wait "$pid" || fail "exit code $?" || return
  echo "# from SIGTERM to the end: $(awk -v from="$since" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.2f s", to - from }')" >&3
  log_has '^web-app: stopped while reading visits\.txt, [0-9]+ %$' || fail "$(cat "$log")"
}

has_ended() { ! kill -0 "$pid" 2>/dev/null; }

# replaced MILLISECONDS: a program that serves reads a large file that has taken the place of its own.
replaced() {
  DATA=$data IN_FRONT=$(slowly "$1") start_web_app
  visitor "$BATS_TEST_TMPDIR/acknowledged" --connections 2 --requests 20 || return
  lines 409600 >"$data/new"
  mv "$data/visits.txt" "$data/old"
  mv "$data/new" "$data/visits.txt"
  try --max 200 --delay 0.1 -- percentage
}

@test "it listens before it reads: alive, not ready with a percentage that grows, and visitors are refused at once" {
  start_reading 1000
  has_come_further -1
  try --max 200 --delay 0.1 -- has_come_further "$(percentage)"
  visitors_are_refused
  is_refused "http://127.0.0.1:$port/visits"
  # A count of 0 would become a jump of millions.
  run metric web_app_visits_total
  assert_failure
  wait_log "^web-app: not ready: reading visits\.txt, [0-9]+ %, in $data$"
  run web_app check --admin-listen "127.0.0.1:$admin_port"
  assert_failure
  assert_output --regexp 'not ready: reading visits\.txt, [0-9]+ %'
}

@test "SIGTERM ends it within seconds while it reads at the start, with exit code 0" {
  start_reading 1000
  try --max 200 --delay 0.1 -- percentage
  ends_while_reading
  # The next start finds all of it.
  DATA=$data start_web_app
  log_has '\(409600 so far\)'
  assert_equal "$(visit | jq .visit)" 409601
  assert_visits 409601
}

@test "visitors who were refused during the reading are not in the file, and those who come later are" {
  start_reading 20
  try --max 200 --delay 0.1 -- percentage
  visitors_are_refused
  try --max 400 --delay 0.2 -- log_has '\(409600 so far\)'
  assert_equal "$(visit 3 | jq .visit | paste -sd ' ')" "409601 409602 409603"
  assert_equal "$(metric web_app_visits_total)" 409603
  assert_visits 409603
  stop_web_app
}

@test "a replaced file is read beside the visitors too: they are refused at once, and no acknowledged visit is lost" {
  replaced 20
  visitors_are_refused
  wait_log "reopened $data/visits.txt: 409600 visits$"
  assert_equal "$(visit | jq .visit)" 409601
  assert_visits 409601
  stop_web_app
  mv "$data/old" "$data/visits.txt"
  assert_recorded "$BATS_TEST_TMPDIR/acknowledged"
}

@test "SIGTERM ends it within seconds while it reads a replaced file, with exit code 0" {
  replaced 1000
  wait_log "^web-app: not ready: reading visits\.txt, [0-9]+ %, in $data$"
  ends_while_reading
  mv "$data/old" "$data/visits.txt"
  assert_recorded "$BATS_TEST_TMPDIR/acknowledged"
}

@test "control: a program that holds its locks while it reads is found out" {
  mutant reads-with-locks-held
  replaced 1000
  run visitors_are_refused
  assert_failure
  # Or, if the visit comes just before the reading, it is refused for another reason.
  assert_output --regexp "a visitor is not refused|value does not match regular expression"
}

@test "control: a program that reads to the end before it stops is found out" {
  mutant stops-after-reading
  start_reading 1000
  try --max 200 --delay 0.1 -- percentage
  run ends_while_reading
  assert_failure
  assert_output --partial "it still runs"
}
