# A pod that is told to stop answers whom it has, and then stops: within the sleep before the end and the drain time, well before
# it would be killed.

load helpers
load cluster-helpers

setup_file() {
  start_file termination
  install --set replicaCount=1
}

teardown_file() { end_file; }

# late_visitor POD: a request is half sent; the rest follows when the pod is told to stop.
late_visitor() {
  local visitors admin
  forward "pod/$1" 8080 && visitors=$FORWARD
  forward "pod/$1" 8081 && admin=$FORWARD
  python3 "$ROOT/bats/tools/late_visitor.py" "$visitors" "$admin" >"$BATS_TEST_TMPDIR/late" 2>&1 </dev/null 3>&- &
  LATE=$!
  try --max 50 --delay 0.1 -- grep -q waiting "$BATS_TEST_TMPDIR/late"
}

gone() { [ "$(uid "pod/$1" 2>/dev/null)" != "$2" ]; }

@test "the request that is in flight when its pod is told to stop is answered and recorded" {
  local pod=chart-web-app-0 since
  visit "$pod"
  remember "$pod"
  late_visitor "$pod"
  since=$SECONDS
  kubectl delete pod "$pod" --wait=false
  wait "$LATE" || fail "$(cat "$BATS_TEST_TMPDIR/late")"
  cat "$BATS_TEST_TMPDIR/late"
  run tail -n 1 "$BATS_TEST_TMPDIR/late"
  assert_output --regexp "^200 .*\"visit\": 2"

  # Within the sleep (3 s), the drain (5 s) and some for the kubelet, and far from the 30 s at which it would be killed.
  try --max 60 --delay 0.5 -- gone "$pod" "$(cat "$BATS_TEST_TMPDIR/$pod.uid")"
  echo "gone after $((SECONDS - since)) s"
  assert [ $((SECONDS - since)) -le 12 ]
  wait_replaced "$pod"
  assert_survived "$pod" 1
  assert_equal "$(visits "$pod" | tail -n 1)" "$(sed -n 's/.*"time": "\([^"]*\)".*/\1/p' "$BATS_TEST_TMPDIR/late")"
}

@test "a pod that nobody visits does not wait for its drain time" {
  local pod=chart-web-app-0 since=$SECONDS
  remember "$pod"
  kubectl delete pod "$pod" --wait=false
  try --max 60 --delay 0.5 -- gone "$pod" "$(cat "$BATS_TEST_TMPDIR/$pod.uid")"
  echo "gone after $((SECONDS - since)) s"
  assert [ $((SECONDS - since)) -le 7 ]
  wait_replaced "$pod"
}

@test "control: a process that is killed leaves the same request unanswered and unrecorded" {
  requires_nodes
  local pod=chart-web-app-0
  visit "$pod"
  remember "$pod"
  late_visitor "$pod"
  crash "$pod"
  if wait "$LATE"; then fail "answered: $(cat "$BATS_TEST_TMPDIR/late")"; fi
  grep 'no answer' "$BATS_TEST_TMPDIR/late"
  try --max 60 --delay 0.5 -- has_restarted "$pod" 0
  wait_ready "$pod"
  assert_survived "$pod"
}
