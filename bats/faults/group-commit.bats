# Group commit (--sync=always): visitors that come at the same time share a sync, counted by the program's own metrics.
# strace makes syncs slow, so that they take most of the time on any machine.

load ../lib/faults

# slow_syncs MILLISECONDS [WHEN]: a command that goes before the program; each of its syncs, or WHEN in strace's notation,
# takes so long.
slow_syncs() {
  echo "strace -D -f --seccomp-bpf -qq -o /dev/null -e trace=fdatasync -e inject=fdatasync:delay_exit=${1}000:when=${2:-1+}"
}

# shares_syncs CONNECTIONS ROUNDS [OPTION...]: each connection sends its next request when it has got the response, ROUNDS
# times in all. Sets $syncs to the number of syncs, which is ROUNDS if every visit of a round shares one.
shares_syncs() {
  requires command:strace
  IN_FRONT=$(slow_syncs 60) start_web_app "${@:3}"
  run timeout 60 "$TOOLS/visitor.py" --url "http://127.0.0.1:$port/" --out "$BATS_TEST_TMPDIR/out" --connections "$1" \
    --requests $(($1 * $2))
  assert_output "acknowledged $(($1 * $2)) refused 0 errors 0 unanswered 0" || return
  assert_recorded "$BATS_TEST_TMPDIR/out" || return
  syncs=$(metric web_app_sync_duration_seconds_count)
  echo "# $1 connections, $(($1 * $2)) visits: $syncs syncs" >&3
}

# The first rounds are not counted on: their visitors connect one after another.
@test "visitors that come again after each response share their syncs, few or many" {
  local connections
  for connections in 2 16 64; do
    shares_syncs "$connections" 40
    [ "$syncs" -le 50 ] || fail "$syncs syncs for 40 rounds of $connections visitors"
    stop_web_app
  done
}

@test "control: a program that commits as soon as the first visitor comes is found out" {
  mutant commits-with-the-first
  shares_syncs 16 40
  [ "$syncs" -gt 60 ] || fail "$syncs syncs for 40 rounds"
}

# stalls OPTION...: a sync takes three seconds; see bats/tools/stalled.py.
stalls() {
  requires command:strace
  IN_FRONT=$(slow_syncs 3000 1) start_web_app "$@"
  run timeout 60 "$TOOLS/stalled.py" --port "$port" --visits "$data/visits.txt"
  echo "# $output" >&3
}

@test "while a sync is stalled all that needs no sync is served, and the waiting visits are acknowledged after it" {
  local workers
  for workers in 1 2; do
    stalls --workers "$workers"
    assert_success
    assert_visits 4
    stop_web_app
    rm -r "$data"
  done
}

@test "control: a program that syncs in its event loop is found out" {
  mutant syncs-in-the-loop
  stalls
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
