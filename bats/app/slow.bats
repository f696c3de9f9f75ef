# Slow clients, silent clients, and many clients: none of them may delay a visitor.

load ../lib/mutants

# slow_clients COUNT KIND [OPTION...]: opens COUNT connections of bats/tools/slow.py, which last until the test ends.
slow_clients() {
  in_background "$BATS_TEST_TMPDIR/$2.out" "$TOOLS/slow.py" --port "$port" --connections "$1" --kind "$2" "${@:3}"
  try --max 600 --delay 0.05 -- grep -q "^open $1$" "$BATS_TEST_TMPDIR/$2.out" || fail "$(cat "$BATS_TEST_TMPDIR/$2.out")"
}

# end_slow_clients KIND: ends them, and sets $still_open to the number that the server had not closed.
end_slow_clients() {
  kill -TERM "$background"
  wait "$background"
  still_open=$(sed -n 's/^still open //p' "$BATS_TEST_TMPDIR/$1.out")
}

# assert_visitors_served: 8 visitors at once get all 400 responses, and the probes of both ports succeed.
assert_visitors_served() {
  run timeout 30 "$TOOLS/visitor.py" --url "http://127.0.0.1:$port/" --out "$BATS_TEST_TMPDIR/out" --connections 8 --requests 400
  assert_output "acknowledged 400 refused 0 errors 0 unanswered 0" || return
  assert_recorded "$BATS_TEST_TMPDIR/out" || return
  assert_equal "$(get /healthz)" ok || return
  assert_equal "$(admin /readyz)" ready
}

# connections_are COMPARISON NUMBER: compares the program's own count of its connections.
connections_are() { test "$(metric web_app_connections)" "$@"; }

# long_file LINES: a data directory whose visits.txt has LINES old visits.
long_file() {
  mkdir -p "$BATS_TEST_TMPDIR/data"
  yes "2022-11-28 22:54:26.913511+03:00" | head -n "$1" >"$BATS_TEST_TMPDIR/data/visits.txt"
}

@test "visitors are served beside 2,000 slow heads and 2,000 idle connections" {
  [ "$(ulimit -n)" -ge 5000 ] || ulimit -n 5000 || skip_or_fail "this machine lacks 5,000 open files"
  start_web_app
  slow_clients 2000 idle
  slow_clients 2000 head
  connections_are -ge 4000
  assert_visitors_served
}

@test "clients that stop reading a long listing delay no other client" {
  long_file 200000
  start_web_app
  slow_clients 50 reader
  assert_visitors_served
  # A client that reads gets the whole listing.
  assert_equal "$(get /visits | wc -l)" 200400
}

@test "a slowly read listing shows the visits that existed when it began" {
  long_file 200000
  start_web_app
  in_background "$BATS_TEST_TMPDIR/listing" curl -sS --limit-rate 4M "http://127.0.0.1:$port/visits?format=raw"
  try --max 100 --delay 0.05 -- test -s "$BATS_TEST_TMPDIR/listing"
  visit 5 >/dev/null
  wait "$background"
  assert_equal "$(wc -l <"$BATS_TEST_TMPDIR/listing")" 200000
  assert_equal "$(wc -c <"$BATS_TEST_TMPDIR/listing")" $((33 * 200000))
}

@test "a request that is incomplete after ten seconds is refused, without a body if it is a HEAD" {
  start_web_app
  slow_clients 20 head
  printf '408 closed %s\n' 'GET / HTTP/1.1\r\nHost: a\r\n' >"$BATS_TEST_TMPDIR/get"
  # RFC 9110 9.3.2: HEAD gets no body, not even if incomplete. An earlier HEAD on the connection does not count.
  printf '408 closed %s\n' 'HEAD / HTTP/1.1\r\nHost: a\r\n' >"$BATS_TEST_TMPDIR/head"
  printf '200,408 closed %s\n' 'HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET /' >"$BATS_TEST_TMPDIR/both"
  local row rows=()
  for row in get head both; do
    "$TOOLS/raw.py" --port "$port" --table <"$BATS_TEST_TMPDIR/$row" >"$BATS_TEST_TMPDIR/$row.out" 3>&- &
    rows+=($!)
  done
  started "${rows[@]}"
  for row in "${rows[@]}"; do wait "$row" || fail "$(cat "$BATS_TEST_TMPDIR"/*.out)"; done
  try --max 100 --delay 0.1 -- connections_are -eq 0
  assert_equal "$(metric 'web_app_http_requests_total{path="other",code="408"}')" 23
}

# sippers_stay: slow readers stay connected for longer than the 30 s after which a client that reads nothing is closed.
sippers_stay() {
  long_file 200000
  start_web_app
  slow_clients 5 sipper --rate 500
  slow_clients 5 reader
  local since=$SECONDS
  while [ $((SECONDS - since)) -lt 35 ]; do
    connections_are -ge 5 || fail "$(metric web_app_connections) are left after $((SECONDS - since)) s" || return
    command sleep 0.5 # between two looks
  done
  connections_are -eq 5
}

@test "a client that reads 500 bytes a second may continue, one that reads nothing is closed" { sippers_stay; }

@test "control: a program that takes slow readers for silent ones is found out" {
  mutant takes-slow-readers-for-silent
  run sippers_stay
  assert_failure
  assert_output --regexp '[0-4] are left after 3[0-9] s'
}

# pushes_in: one visit while slow readers hold all connections that may be open.
pushes_in() {
  long_file 200000
  start_web_app --max-connections 10
  slow_clients 10 sipper --rate 16000
  try --max 100 --delay 0.05 -- connections_are -eq 10 || return
  visit
}

@test "slow readers that reach the limit of connections do not keep visitors out" { pushes_in; }

@test "control: a program that never evicts a client that keeps reading is found out" {
  mutant spares-active-slow-readers
  run pushes_in
  assert_failure
  assert_output --partial "timed out"
}

@test "at the limit of connections the one idle longest is evicted" {
  start_web_app --max-connections 10
  exec {first}<>"/dev/tcp/127.0.0.1/$port"
  slow_clients 9 idle
  try --max 100 --delay 0.05 -- connections_are -eq 10
  visit
  connections_are -ge 9
  # The oldest one is closed: reading from it ends.
  run timeout 5 cat <&"$first"
  exec {first}>&-
  assert_success
  end_slow_clients idle
  assert_equal "$still_open" 9
}

@test "at the limit slow heads are evicted too" {
  start_web_app --max-connections 10
  slow_clients 10 head
  try --max 100 --delay 0.05 -- connections_are -eq 10
  run timeout 9 curl -sS "http://127.0.0.1:$port/healthz"
  assert_output ok
  end_slow_clients head
  assert_equal "$still_open" 9
}

@test "with --workers 4 visitors are served beside 1,000 idle connections" {
  start_web_app --workers 4 --max-connections 2000
  slow_clients 1000 idle
  assert_visitors_served
}

@test "with too few descriptors the program says so, and serves all the same" {
  requires command:prlimit
  IN_FRONT="prlimit --nofile=200:200" start_web_app
  assert log_has '^web-app: only 200 files may be open here, so there is room for 100 connections; raise ulimit -n$'
  slow_clients 300 idle
  run visit 3
  assert_success
  assert_equal "$(admin /healthz)" ok
}

# closed_after SECONDS OPTION...: a connection that is idle after a response is closed after SECONDS, and not before.
closed_after() {
  start_web_app "${@:2}"
  local since=$EPOCHREALTIME passed
  exec {idle}<>"/dev/tcp/127.0.0.1/$port"
  printf 'GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n' >&"$idle"
  run timeout 60 cat <&"$idle"
  passed=$(awk -v from="$since" -v to="$EPOCHREALTIME" 'BEGIN { print to - from }')
  exec {idle}>&-
  assert_success || return
  assert_output --partial "200 OK" || return
  awk -v passed="$passed" -v least="$1" 'BEGIN { exit passed < least }' || fail "closed after $passed s"
}

@test "a connection without a request is closed after --idle-timeout, and not before" {
  closed_after 3 --idle-timeout 3s
}

@test "control: a program that closes idle connections before their time is found out" {
  mutant closes-idle-after-a-second
  run closed_after 3 --idle-timeout 3s
  assert_failure
  assert_output --regexp '^closed after [12]'
}
