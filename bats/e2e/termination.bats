# A pod that is told to stop completes its open requests and then exits by itself: within the drain time, well before it
# would be killed.

load ../lib/cluster

setup_file() {
  start_file termination
  install --set replicaCount=1
}

teardown_file() { end_file; }

# late_visitor POD [--silent]: sends half a request; the rest follows when the pod is told to stop, or never.
late_visitor() {
  local visitors admin
  forward "pod/$1" 8080 && visitors=$FORWARD
  forward "pod/$1" 8081 && admin=$FORWARD
  "$ROOT/bats/tools/late_visitor.py" "$visitors" "$admin" "${@:2}" >"$BATS_TEST_TMPDIR/late" 2>&1 </dev/null 3>&- &
  LATE=$!
  try --max 200 --delay 0.1 -- grep -q waiting "$BATS_TEST_TMPDIR/late"
}

# follow_log POD: writes the pod's log, with timestamps, to the file $LOG until the pod ends.
follow_log() {
  LOG=$BATS_TEST_TMPDIR/$1.log
  timeout 1800 kubectl --namespace "$NAMESPACE" logs --follow --timestamps "$1" >"$LOG" 2>&1 </dev/null 3>&- &
  FOLLOWER=$!
  try --max 100 --delay 0.1 -- grep -q ' serving on ' "$LOG"
}

# assert_stopped_by_itself: the pod was not killed. Sets $DRAINED_MS to the time from SIGTERM to the last line, by the pod's
# log, since the kubelet needs time of its own before and after that.
assert_stopped_by_itself() {
  local from to
  wait "$FOLLOWER" || true
  cat "$LOG"
  from=$(sed -n 's/ web-app: SIGTERM: .*//p' "$LOG")
  to=$(sed -n 's/ web-app: stopped with .*//p' "$LOG")
  [ -n "$from" ] && [ -n "$to" ] || fail "it was killed" || return
  DRAINED_MS=$((($(date -d "$to" +%s%N) - $(date -d "$from" +%s%N)) / 1000000))
}

@test "a request in flight when its pod is told to stop gets its response and is recorded" {
  local pod=chart-web-app-0
  visit "$pod"
  remember "$pod"
  follow_log "$pod"
  late_visitor "$pod"
  kubectl delete pod "$pod" --wait=false
  wait "$LATE" || fail "$(cat "$BATS_TEST_TMPDIR/late")"
  cat "$BATS_TEST_TMPDIR/late"
  run tail -n 1 "$BATS_TEST_TMPDIR/late"
  assert_output --regexp "^200 .*\"visit\": 2"

  assert_stopped_by_itself
  wait_replaced "$pod"
  assert_survived "$pod" 1
  assert_equal "$(visits "$pod" | tail -n 1)" "$(sed -n 's/.*"time": "\([^"]*\)".*/\1/p' "$BATS_TEST_TMPDIR/late")"
}

@test "a pod without open requests does not wait for its drain time" {
  local pod=chart-web-app-0
  remember "$pod"
  follow_log "$pod"
  kubectl delete pod "$pod" --wait=false
  assert_stopped_by_itself
  # The drain time is 5,000 ms.
  assert [ "$DRAINED_MS" -lt 2500 ]
  wait_replaced "$pod"
}

@test "control: a pod waits for a request that is never completed" {
  local pod=chart-web-app-0
  remember "$pod"
  follow_log "$pod"
  late_visitor "$pod" --silent
  kubectl delete pod "$pod" --wait=false
  assert_stopped_by_itself
  assert [ "$DRAINED_MS" -ge 4000 ]
  wait "$LATE" || true
  wait_replaced "$pod"
}

@test "control: if the process is killed, the same request gets no response and is not recorded" {
  requires_nodes
  local pod=chart-web-app-0
  visit "$pod"
  remember "$pod"
  late_visitor "$pod"
  crash "$pod"
  if wait "$LATE"; then fail "it got a response: $(cat "$BATS_TEST_TMPDIR/late")"; fi
  grep 'no response' "$BATS_TEST_TMPDIR/late"
  try --max 60 --delay 0.5 -- has_restarted "$pod" 0
  wait_ready "$pod"
  assert_survived "$pod"
}
