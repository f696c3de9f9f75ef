# Group commit (--sync=always): visitors that come at the same time share a sync, counted by the program's own metrics.
# strace makes syncs slow, so that they take most of the time on any machine.

load ../lib/faults

# The data is in memory where all other syncs must be short.
setup() {
  memory=$BATS_TEST_TMPDIR
  [ ! -w /dev/shm ] || memory=$(mktemp -d -p /dev/shm)
}

teardown() {
  stop_started
  [ "$memory" = "$BATS_TEST_TMPDIR" ] || rm -rf "$memory"
}

# slow_syncs MILLISECONDS [WHEN]: a command that goes before the program; each of its syncs, or WHEN in strace's notation,
# takes so long.
slow_syncs() {
  echo "strace -D -f --seccomp-bpf -qq -o /dev/null -e trace=fdatasync -e inject=fdatasync:delay_exit=${1}000:when=${2:-1+}"
}

# shares_syncs CONNECTIONS ROUNDS: each connection sends its next request when it has got the response, ROUNDS times in all.
# Sets $syncs to the number of syncs, which is ROUNDS if every visit of a round shares one. With $apart, in ms, the requests of
# a round are so far apart, so that the first of them comes before the others on any machine.
shares_syncs() {
  requires command:strace
  IN_FRONT=$(slow_syncs 60) start_web_app
  rm -f "$BATS_TEST_TMPDIR/out"
  run timeout 60 "$TOOLS/visitor.py" --url "http://127.0.0.1:$port/" --out "$BATS_TEST_TMPDIR/out" --connections "$1" \
    --requests $(($1 * $2)) --apart "${apart:-0}"
  assert_output "acknowledged $(($1 * $2)) refused 0 errors 0 unanswered 0" || return
  assert_recorded "$BATS_TEST_TMPDIR/out" || return
  syncs=$(metric web_app_sync_duration_seconds_count)
  echo "# $1 connections, $(($1 * $2)) visits: $syncs syncs" >&3
}

# One and a half for a round: the first rounds are not counted on, because their visitors connect one after another.
enough=60

# least_syncs CONNECTIONS: sets $syncs to the least of up to three runs of 40 rounds, until that is $enough: a busy machine may
# hold some of the visitors up for longer than a commit waits for them.
least_syncs() {
  local least=1000
  for _ in 1 2 3; do
    shares_syncs "$1" 40 || return
    stop_web_app
    least=$((syncs < least ? syncs : least))
    [ "$least" -gt "$enough" ] || break
  done
  syncs=$least
}

@test "visitors that come again after each response share their syncs, few or many" {
  local connections
  for connections in 2 16 64; do
    least_syncs "$connections"
    [ "$syncs" -le "$enough" ] || fail "$syncs syncs for 40 rounds of $connections visitors"
  done
  apart=0.3 least_syncs 16
  [ "$syncs" -le "$enough" ] || fail "$syncs syncs for 40 rounds of visitors that come one after another"
}

@test "control: a program that commits as soon as the first visitor comes is found out" {
  mutant commits-with-the-first
  apart=0.3 least_syncs 16
  [ "$syncs" -gt "$enough" ] || fail "$syncs syncs for 40 rounds"
}

# stalls WHEN OPTION...: a thread's sync with the number WHEN takes four seconds; see bats/tools/stalled.py.
stalls() {
  requires command:strace
  DATA=$memory/data IN_FRONT=$(slow_syncs 4000 "$1") start_web_app "${@:2}"
  run timeout 60 "$TOOLS/stalled.py" --port "$port"
  echo "# $output" >&3
}

# The first sync is that of the committer. When it is known that syncs are short, the thread of an event loop makes them.
@test "while a sync is stalled all that needs no sync is served, and the waiting visits are acknowledged after it" {
  local workers when
  for workers in 1 2; do
    for when in 1 9; do
      stalls "$when" --workers "$workers"
      assert_success
      [ "$(count_visits)" -ge $((3 + when)) ]
      stop_web_app
      rm -r "$data"
    done
  done
}

@test "control: a program that syncs in its event loop is found out" {
  mutant syncs-in-the-loop
  stalls 1
  assert_failure 1
  assert_output --regexp '^served 0 beside the sync, .*; acknowledged 4 of 4$'
}

@test "control: a program that leaves a loop with a thread that syncs for long is found out" {
  mutant leaves-loop-with-leader
  stalls 9
  assert_failure 1
  assert_output --regexp '^served 0 beside the sync, .*; acknowledged 4 of 4$'
}

# sleeps_meanwhile: during a stalled sync one client is gone, and another has sent its next request. Both visits count, and
# meanwhile the event loop sleeps: it calls epoll_wait(2) a few times.
sleeps_meanwhile() {
  requires command:strace
  local gone next calls
  IN_FRONT="strace -D -f -qq -o $BATS_TEST_TMPDIR/calls -e trace=epoll_pwait,fdatasync -e inject=fdatasync:delay_exit=3000000:when=1" \
    start_web_app
  in_background "$BATS_TEST_TMPDIR/first" visit
  try --max 100 --delay 0.05 -- visits_are 1 || return
  exec {gone}<>"/dev/tcp/127.0.0.1/$port" {next}<>"/dev/tcp/127.0.0.1/$port"
  printf 'GET / HTTP/1.1\r\nHost: a\r\n\r\nGET' >&"$gone"
  printf 'GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n' >&"$next"
  get /version >/dev/null # the event loop has read both
  exec {gone}>&-
  wait "$background" || return
  assert_equal "$(timeout 20 cat <&"$next" | grep -c '^HTTP/1.1 200 OK')" 2 || return
  try --max 100 --delay 0.05 -- visits_are 4 || return
  calls=$(grep -c epoll_pwait "$BATS_TEST_TMPDIR/calls")
  echo "# $calls calls of epoll_wait" >&3
  [ "$calls" -lt 100 ] || fail "$calls calls of epoll_wait"
}

visits_are() { [ "$(count_visits)" = "$1" ]; }

@test "clients that are gone, or send more, while their visits wait cost nothing" { sleeps_meanwhile; }

@test "control: a program whose loop spins meanwhile is found out" {
  mutant spins-while-visits-wait
  run sleeps_meanwhile
  assert_failure
  assert_output --regexp '^[0-9]{4,} calls of epoll_wait'
}

# calls_per_visit OPTION...: 32 connections send their next request when they have got the response, 40 times in all. Sets
# $calls to the system calls of the whole run for ten visits.
calls_per_visit() {
  requires command:strace
  IN_FRONT="strace -D -f -c -o $BATS_TEST_TMPDIR/calls -e inject=fdatasync:delay_exit=20000" start_web_app "$@"
  rm -f "$BATS_TEST_TMPDIR/out"
  run timeout 60 "$TOOLS/visitor.py" --url "http://127.0.0.1:$port/" --out "$BATS_TEST_TMPDIR/out" --connections 32 --requests 1280
  assert_output "acknowledged 1280 refused 0 errors 0 unanswered 0" || return
  kill "$pid"
  # strace is in the background, and writes its table when the program has ended.
  try --max 100 --delay 0.05 -- grep -q total "$BATS_TEST_TMPDIR/calls" || return
  calls=$(awk '$NF == "total" { print int($4 / 128) }' "$BATS_TEST_TMPDIR/calls")
  echo "# $calls system calls for ten visits ${*:-}" >&3
}

@test "a visit costs two system calls, and its share of those of a commit" {
  calls_per_visit
  [ "$calls" -le 40 ]
  calls_per_visit --sync=none
  [ "$calls" -le 40 ]
}

# allocates BUILD VISITS: sets $allocations to those of a run in which one connection makes VISITS visits.
allocates() {
  WEB_APP=$1 IN_FRONT="env LD_PRELOAD=$BATS_TEST_TMPDIR/allocations.so ALLOCATIONS=$BATS_TEST_TMPDIR/allocations" start_web_app --sandbox=off
  visitor "$BATS_TEST_TMPDIR/out" --connections 1 --requests "$2" >/dev/null
  stop_web_app
  allocations=$(<"$BATS_TEST_TMPDIR/allocations")
}

# allocations_of_100_visits BUILD: prints how many more allocations 200 visits need than 100.
allocations_of_100_visits() {
  gcc -shared -fPIC -O1 -o "$BATS_TEST_TMPDIR/allocations.so" "$TOOLS/allocations.c" || return
  local before
  allocates "$1" 100
  before=$allocations
  allocates "$1" 200
  echo $((allocations - before))
}

@test "a visit allocates no memory" {
  build_as build_plain
  run allocations_of_100_visits "$BUILD/plain/web-app"
  echo "# $output allocations for 100 visits" >&3
  assert_success
  [ "${output#-}" -lt 20 ]
}

@test "control: a program that allocates memory for each visit is found out" {
  mutant allocates-per-visit plain
  run allocations_of_100_visits "$WEB_APP"
  assert_success
  [ "$output" -ge 90 ]
}
