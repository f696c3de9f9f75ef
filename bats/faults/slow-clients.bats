# Thousands of slow clients of slowhttptest, more than the limit of connections, and too few descriptors: visitors are
# served all the same, the admin port responds, nothing spins, and memory stays small.
# shellcheck disable=SC2034 # start_web_app reads WEB_APP and IN_FRONT

load ../lib/mutants

SLOWHTTPTEST=$BUILD/tools/slowhttptest/usr/bin/slowhttptest

setup_file() {
  build_as fetch_slowhttptest
}

setup() {
  [ "$(ulimit -n)" -ge 10000 ] || ulimit -n 10000 || skip_or_fail "this machine lacks 10,000 open files"
}

# start_long_web_app: starts the program with a listing that is long enough to be read slowly.
start_long_web_app() {
  data=$BATS_TEST_TMPDIR/data
  mkdir -p "$data"
  yes "2022-11-28 22:54:26.913511+03:00" | head -n 200000 >"$data/visits.txt"
  DATA=$data start_web_app
}

# besiege OPTION...: opens 4,000 connections with slowhttptest.
besiege() {
  # shellcheck disable=SC2119
  in_background "$BATS_TEST_TMPDIR/slowhttptest" "$SLOWHTTPTEST" -c 4000 -r 2000 -l 60 -p 3 -v 1 \
    -u "http://127.0.0.1:$port/visits" "$@"
}

connections_are() { test "$(metric web_app_connections)" "$@"; }

# assert_admin_responds: to 50 requests, each on a connection of its own: half of them within 0.25 s, all within 5 s.
assert_admin_responds() {
  local times
  times=$(admin '/readyz?[1-50]' -o /dev/null -H 'Connection: close' -w '%{http_code} %{time_total}\n' | sort) || return
  awk '$1 != 200 || $2 > 5 { late++ } NR == 25 { median = $2 }
    END { exit NR != 50 || late > 0 || median > 0.25 }' <<<"$times" || fail "the admin port took too long: $times"
}

# assert_visitors_served: 400 visits by 8 visitors are acknowledged within 20 s, and each is counted once.
assert_visitors_served() {
  local before out=$BATS_TEST_TMPDIR/out
  before=$(count_visits)
  run timeout 20 "$TOOLS/visitor.py" --url "http://127.0.0.1:$port/" --out "$out" --connections 8 --requests 400
  assert_output "acknowledged 400 refused 0 errors 0 unanswered 0" || return
  assert_recorded "$out" || return
  assert_visits $((before + 400))
}

# assert_fresh_visitor_served: 5 visitors with new connections are served, though another must be evicted for each.
assert_fresh_visitor_served() {
  local before
  before=$(count_visits)
  for _ in 1 2 3 4 5; do
    curl -sS --fail -o /dev/null --max-time "${PATIENCE:-10}" "http://127.0.0.1:$port/" ||
      fail "a visitor was not served" || return
  done
  assert_visits $((before + 5))
}

cpu_ticks() { awk '{ print $14 + $15 }' "/proc/$pid/stat"; }

# assert_no_spin: in four seconds with slow clients only, the program uses at most one second of processor time.
assert_no_spin() {
  local before ticks
  before=$(cpu_ticks)
  # This test is about the time, so there is no condition to wait for.
  command sleep 4
  ticks=$(($(cpu_ticks) - before))
  [ "$ticks" -le "$(getconf CLK_TCK)" ] || fail "$ticks ticks of processor time in 4 s"
}

# assert_memory_bounded: at most 64 MiB are resident, and the kernel buffers at most 256 KiB for one client.
assert_memory_bounded() {
  local resident queued
  resident=$(sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$pid/status")
  [ "$resident" -le 65536 ] || fail "$resident kB are resident" || return
  queued=$(ss -Htmn state established "sport = :$port" | sed -n 's/.*skmem:(.*,w\([0-9]*\),.*/\1/p' | sort -n | tail -n 1)
  [ "${queued:-0}" -le 262144 ] || fail "the kernel keeps $queued bytes for one client"
}

counted() { metric "web_app_http_requests_total{$1}" || echo 0; }

# have_come NUMBER: NUMBER clients are connected or got a 408; or NUMBER have requested the listing.
have_come() {
  [ $(($(metric web_app_connections) + $(counted 'path="other",code="408"'))) -ge "$1" ] ||
    [ "$(counted 'path="/visits",code="200"')" -ge "$1" ]
}

# assert_holds_out: all is well while the clients connect, and once almost all of them have connected.
assert_holds_out() {
  try --max 800 --delay 0.05 -- connections_are -ge 1500 || return
  assert_admin_responds || return
  assert_visitors_served || return
  assert_memory_bounded || return
  try --max 800 --delay 0.05 -- have_come 3900 || return
  assert_no_spin || return
  assert_memory_bounded || return
  assert_admin_responds || return
  kill -0 "$background" || fail "slowhttptest has ended: $(cat "$BATS_TEST_TMPDIR/slowhttptest")"
}

@test "4,000 slow heads (slowhttptest -H)" {
  start_web_app
  besiege -H -i 1 -x 24
  assert_holds_out
}

# refused NUMBER: NUMBER requests or more were refused for their method.
refused() { [ "$(metric 'web_app_http_requests_total{path="other",code="405"}')" -ge "$1" ]; }

@test "4,000 slow bodies (slowhttptest -B) are refused by their heads" {
  start_web_app
  besiege -B -i 1 -s 8192
  try --max 400 --delay 0.05 -- refused 1000
  assert_admin_responds
  assert_visitors_served
  try --max 400 --delay 0.05 -- refused 4000
  try --max 400 --delay 0.05 -- connections_are -lt 100
  assert_no_spin
  assert_memory_bounded
}

@test "4,000 slow readers of a long listing (slowhttptest -X)" {
  start_long_web_app
  besiege -X -w 512 -y 1024 -n 2 -z 32 -k 3
  assert_holds_out
}

@test "control: a program that lets the kernel's buffers grow is found out" {
  mutant unbounded-send-buffer plain
  start_long_web_app
  besiege -X -w 512 -y 1024 -n 2 -z 32 -k 3
  try --max 600 --delay 0.05 -- connections_are -ge 1000
  run assert_memory_bounded
  assert_failure
  assert_output --regexp "the kernel keeps [0-9]+ bytes for one client"
}

# flood [OPTION...]: slow heads, eight times as many as the limit, until the limit is reached.
flood() {
  start_web_app --max-connections 500 "$@"
  besiege -H -i 1 -x 24
  try --max 400 --delay 0.05 -- connections_are -ge 490
}

# assert_flood_is_harmless [OPTION...]: during a flood every visitor is served.
assert_flood_is_harmless() {
  flood "$@"
  assert_fresh_visitor_served
  assert_admin_responds
  connections_are -le 500
  assert_no_spin
  assert_memory_bounded
  assert_fresh_visitor_served
}

@test "a flood past --max-connections keeps no visitor out" {
  assert_flood_is_harmless
}

@test "the same with several event loops" {
  assert_flood_is_harmless --workers 4
}

@test "control: a program that evicts no connection keeps visitors out" {
  mutant evicts-nobody plain
  flood
  PATIENCE=4 run assert_fresh_visitor_served
  assert_failure
  assert_output --partial "a visitor was not served"
}

# clients_at_once: the program finds eight visitors in the backlog at once, while slow heads hold all connections.
clients_at_once() {
  local out=$BATS_TEST_TMPDIR/out
  start_web_app --max-connections 10
  in_background "$BATS_TEST_TMPDIR/heads" "$TOOLS/slow.py" --port "$port" --connections 10 --kind head
  try --max 100 --delay 0.05 -- connections_are -ge 10
  # Until all of the heads may be evicted.
  since=$SECONDS
  try --max 100 --delay 0.05 -- has_been_slow_for_a_while
  kill -STOP "$pid"
  visitor_in_background "$out" --connections 8 --requests 8
  try --max 200 --delay 0.05 -- are_queued 18 || return
  kill -CONT "$pid"
  wait "$background" || return
  assert_equal "$(cat "$BATS_TEST_TMPDIR/summary")" "acknowledged 8 refused 0 errors 0 unanswered 0"
}

has_been_slow_for_a_while() { [ $((SECONDS - since)) -ge 3 ]; }

are_queued() { [ "$(ss -Htn state established "sport = :$port" | wc -l)" -ge "$1" ]; }

@test "new connections do not evict each other before their first request is read" {
  clients_at_once
}

@test "control: a program that evicts new connections at once is found out" {
  mutant evicts-before-first-request plain
  run clients_at_once
  assert_failure
  assert_output --regexp "acknowledged [0-7] refused 0 errors [1-9]"
}

# with_few_descriptors COMMAND...: runs it with a limit of $FILES (76) descriptors, 18 of them open already, whatever the
# test itself has open. That is too few for the limit of connections on both ports.
with_few_descriptors() {
  local fd
  for fd in "/proc/$BASHPID/fd/"*; do
    fd=${fd##*/}
    [ "$fd" -le 2 ] || [ "$fd" = 255 ] || eval "exec $fd>&-"
  done
  for ((fd = 3; fd <= 20; fd++)); do
    eval "exec $fd</dev/null"
  done
  exec prlimit --nofile="${FILES:-76}:${FILES:-76}" "$@"
}

# run_out_of_descriptors [OPTION...]: opens more connections to each port than there are descriptors.
run_out_of_descriptors() {
  requires command:prlimit
  IN_FRONT=with_few_descriptors start_web_app "$@"
  log_has "^web-app: only ${FILES:-76} files may be open here"
  local one
  for one in "$port" "$admin_port"; do
    in_background "$BATS_TEST_TMPDIR/idle.$one" "$TOOLS/slow.py" --port "$one" --connections 200 --kind idle
    try --max 400 --delay 0.05 -- grep -q '^open 200$' "$BATS_TEST_TMPDIR/idle.$one"
  done
  try --max 400 --delay 0.05 -- descriptors_used || fail "descriptors are left: $(ls -l "/proc/$pid/fd")"
}

# have_taken_in: the backlogs of both ports are empty.
have_taken_in() { [ "$(ss -Hltn "sport = :$port or sport = :$admin_port" | awk '{ print $2 }' | sort -u)" = 0 ]; }

descriptors_used() {
  local used=("/proc/$pid/fd/"*)
  [ "${#used[@]}" -ge $((${FILES:-76} - 2)) ]
}

# goes_on_without_descriptors [OPTION...]: without a free descriptor the program serves visitors and both ports.
goes_on_without_descriptors() {
  run_out_of_descriptors "$@"
  try --max 800 --delay 0.05 -- have_taken_in
  descriptors_used || fail "descriptors are left: $(ls -l "/proc/$pid/fd")"
  assert_fresh_visitor_served
  assert_admin_responds
  assert_no_spin
  assert_memory_bounded
  assert_fresh_visitor_served
}

@test "out of descriptors (EMFILE) both ports keep serving, and nothing spins" {
  goes_on_without_descriptors
}

@test "out of descriptors several event loops keep serving too" {
  FILES=92 goes_on_without_descriptors --workers 4
}

@test "out of descriptors without lowering its limit first, nothing spins either" {
  mutant ignores-descriptor-limit plain
  run_out_of_descriptors
  assert_no_spin
  assert_memory_bounded
  assert_fresh_visitor_served
}

@test "control: a program that retries accept at once without a descriptor is found out to spin" {
  mutant retries-accept-at-once plain
  run_out_of_descriptors
  run assert_no_spin
  assert_failure
  assert_output --partial "ticks of processor time"
}
