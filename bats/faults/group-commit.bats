# Group commit (--sync=always): visitors that come at the same time share a sync, counted by the program's own metrics.
# strace makes syncs slow, so that they take most of the time on any machine.

load ../lib/faults

# slow_syncs MILLISECONDS: a command that goes before the program; each of its syncs takes so long.
slow_syncs() {
  echo "strace -D -f --seccomp-bpf -qq -o /dev/null -e trace=fdatasync -e inject=fdatasync:delay_exit=${1}000"
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
