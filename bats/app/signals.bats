# SIGTERM and SIGINT: requests in flight get their responses, and the exit is clean.

load ../lib/common

# half_a_request: the beginning of a visit on a connection of its own, descriptor $half.
half_a_request() {
  exec {half}<>"/dev/tcp/127.0.0.1/$port"
  printf 'GET / HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n' >&"$half"
  # The event loop has read it once it responds to this later request.
  get /healthz >/dev/null
}

# rest_of_request: completes that request, and prints the response.
rest_of_request() {
  printf '\r\n' >&"$half"
  timeout 10 cat <&"$half"
}

# stopped_within SECONDS: waits for the program to end and returns its exit code, or 124 if it still runs.
stopped_within() {
  timeout "$1" tail --pid="$pid" -s 0.05 -f /dev/null || return
  wait "$pid"
}

@test "SIGTERM and SIGINT end an idle program at once with exit code 0" {
  local signal
  for signal in TERM INT; do
    start_web_app --drain 60s
    visit 2 >/dev/null
    kill -s "$signal" "$pid"
    stopped_within 20
    assert log_has "^web-app: SIG$signal: draining open connections for up to 60000 ms$"
    assert log_has '^web-app: stopped with [24] visits recorded$'
  done
  assert_visits 4
}

@test "while draining it is alive but not ready, and each response is the last on its connection" {
  start_web_app --drain 20s
  half_a_request
  kill "$pid"
  wait_log '^web-app: SIGTERM'
  is_shutting_down() { admin /readyz | grep -x "not ready: shutting down"; }
  try --max 200 --delay 0.05 -- is_shutting_down
  assert_equal "$(status_of /readyz)" 503
  assert_equal "$(admin /healthz)" ok
  # A new connection is still served, and its response announces the close.
  run get / -i -H 'Accept: application/json'
  assert_output --partial '"visit": 1,'
  assert_output --partial 'Connection: close'
  run rest_of_request
  assert_output --partial "200 OK"
  assert_output --partial '"visit": 2,'
  assert_output --partial "Connection: close"
  stopped_within 5
  assert_visits 2
}

@test "while draining --sync=interval continues to sync" {
  mkdir "$BATS_TEST_TMPDIR/data"
  yes "2022-11-28 22:54:26.913511+03:00" | head -n 200000 >"$BATS_TEST_TMPDIR/data/visits.txt"
  start_web_app --sync interval --drain 60s
  # A client that keeps reading prolongs the drain for as long as a slow disk may need.
  in_background "$BATS_TEST_TMPDIR/reader" "$TOOLS/slow.py" --port "$port" --connections 1 --kind sipper
  try --max 200 --delay 0.05 -- grep -q '^open 1$' "$BATS_TEST_TMPDIR/reader"
  kill "$pid"
  wait_log '^web-app: SIGTERM'
  local before
  before=$(metric web_app_sync_duration_seconds_count)
  get / >/dev/null
  has_synced() { [ "$(metric web_app_sync_duration_seconds_count)" -gt "$before" ]; }
  try --max 500 --delay 0.1 -- has_synced
  kill "$background"
  stopped_within 20
  assert_visits 200001
}

threads_are() { [ "$(ls "/proc/$pid/task" | wc -l)" = "$1" ]; }

@test "a worker that has drained first does not keep new connections from the other workers" {
  start_web_app --workers 2 --drain 60s
  half_a_request
  local threads
  threads=$(ls "/proc/$pid/task" | wc -l)
  kill "$pid"
  try --max 200 --delay 0.05 -- threads_are $((threads - 1))
  run get /version
  assert_success
  run rest_of_request
  assert_output --partial "200 OK"
  stopped_within 20
  assert_visits 1
}

@test "after the drain time it ends, even with connections still open" {
  start_web_app --drain 500ms
  half_a_request
  kill "$pid"
  stopped_within 5
  assert log_has '^web-app: stopped with 0 visits recorded$'
  run timeout 5 cat <&"$half"
  assert_output ""
}

@test "a second signal ends the drain at once, and the exit is clean too" {
  start_web_app --drain 60s
  visit >/dev/null
  half_a_request
  kill "$pid"
  wait_log '^web-app: SIGTERM'
  kill -INT "$pid"
  stopped_within 5
  assert log_has '^web-app: stopped with 1 visits recorded$'
}

@test "--drain 0s does not wait" {
  start_web_app --drain 0s
  half_a_request
  kill "$pid"
  stopped_within 4
}

@test "SIGTERM under load loses no visit: every acknowledged one is in the file, and no response is missing" {
  local workers sync
  for workers in 1 4; do
    for sync in always none; do
      DATA=$BATS_TEST_TMPDIR/$sync.$workers start_web_app --workers "$workers" --sync "$sync" --drain 3s
      visitor_in_background "$data.out" --connections 32 --seconds 20 --until-close
      # All visitors must be connected: one that connects after the last of the others has left is refused.
      many_visits() { [ "$(wc -l <"$data/visits.txt")" -ge 500 ] && [ "$(metric web_app_connections)" -ge 32 ]; }
      try --max 200 --delay 0.05 -- many_visits
      kill "$pid"
      wait "$background"
      stopped_within 10
      run cat "$BATS_TEST_TMPDIR/summary"
      assert_output --regexp '^acknowledged [0-9]+ refused 0 errors 0 unanswered 0$'
      assert_recorded "$data.out"
      assert_visits "$(wc -l <"$data.out")"
      assert log_has "^web-app: stopped with $(count_visits) visits recorded$"
    done
  done
}

@test "the same under wrk's load" {
  requires command:wrk
  start_web_app --drain 1s
  in_background "$BATS_TEST_TMPDIR/wrk" wrk -t 1 -c 64 -d 20s -H 'Accept: application/json' "http://127.0.0.1:$port/"
  visitor_in_background "$BATS_TEST_TMPDIR/out" --connections 16 --seconds 20 --until-close
  many_visits() { [ "$(wc -l <"$data/visits.txt")" -ge 5000 ] && [ "$(metric web_app_connections)" -ge 80 ]; }
  try --max 200 --delay 0.05 -- many_visits
  kill "$pid"
  wait "$background"
  stopped_within 10
  run cat "$BATS_TEST_TMPDIR/summary"
  assert_output --regexp '^acknowledged [0-9]+ refused 0 errors 0 unanswered 0$'
  assert_recorded "$BATS_TEST_TMPDIR/out"
  assert_visits "$(count_visits)"
  assert log_has "^web-app: stopped with $(count_visits) visits recorded$"
}

@test "other signals change nothing" {
  start_web_app
  kill -USR1 "$pid"
  kill -PIPE "$pid"
  kill -XFSZ "$pid"
  run visit
  assert_success
  stop_web_app
}
