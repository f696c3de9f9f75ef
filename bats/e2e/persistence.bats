# Visits outlive pods. Whatever ends a pod, the next one of its name has the same claim (by UID) on the same volume. Its
# file begins with the content from before, and later visits follow.

load ../lib/cluster

setup_file() {
  start_file persistence
  # There are no visits while pods stop, so they need not wait before they stop.
  install --set preStopSleepSeconds=0
}

teardown_file() { end_file; }

@test "visits outlive a pod's deletion" {
  visit chart-web-app-0 3
  remember chart-web-app-0
  kubectl delete pod chart-web-app-0 --wait=false
  wait_replaced chart-web-app-0
  visit chart-web-app-0 2
  assert_replaced chart-web-app-0
  assert_survived chart-web-app-0 2
}

@test "visits outlive a deletion by force, without a grace period" {
  visit chart-web-app-1 3
  remember chart-web-app-1
  kubectl delete pod chart-web-app-1 --force --grace-period=0
  wait_replaced chart-web-app-1
  visit chart-web-app-1 2
  assert_replaced chart-web-app-1
  assert_survived chart-web-app-1 2
}

@test "visits outlive the deletion of all pods at once" {
  local pod
  for pod in $(pods); do
    visit "$pod"
    remember "$pod"
  done
  kubectl delete pods --selector "$SELECTOR" --wait=false
  for pod in chart-web-app-{0,1,2}; do
    wait_replaced "$pod"
    visit "$pod"
    assert_replaced "$pod"
    assert_survived "$pod" 1
  done
}

@test "visits outlive kill -9 of the process" {
  requires_nodes
  local restarts
  visit chart-web-app-2 3
  remember chart-web-app-2
  restarts=$(restarts_of chart-web-app-2)
  crash chart-web-app-2
  try --max 60 --delay 0.5 -- has_restarted chart-web-app-2 "$restarts"
  wait_ready chart-web-app-2
  visit chart-web-app-2 2
  # The pod is the same: the kubelet restarted its container.
  assert_equal "$(uid pod/chart-web-app-2)" "$(cat "$BATS_TEST_TMPDIR/chart-web-app-2.uid")"
  assert_survived chart-web-app-2 2
}

# lone_pod: prints a pod that is alone on its node. A node with two pods could not be drained: the disruption budget of 1
# lets the drain evict one pod, which then cannot become ready elsewhere, because its volume is bound to the node.
lone_pod() {
  local nodes
  nodes=$(kubectl get pods --selector "$SELECTOR" -o jsonpath='{range .items[*]}{.metadata.name} {.spec.nodeName}{"\n"}{end}')
  awk '{ pods[$2] = $1; count[$2]++ } END { for (node in count) if (count[node] == 1) { print pods[node]; exit } }' <<<"$nodes"
}

@test "visits outlive the drain of a node" {
  local pod node
  pod=$(lone_pod)
  [ -n "$pod" ] || fail "no pod is alone on its node"
  node=$(node_of "$pod")
  visit "$pod" 3
  remember "$pod"
  kubectl drain "$node" --ignore-daemonsets --delete-emptydir-data --timeout 60s || {
    kubectl uncordon "$node"
    fail "$node could not be drained"
  }
  assert_equal "$(field "pod/$pod" .metadata.uid 2>/dev/null | grep -cxF "$(cat "$BATS_TEST_TMPDIR/$pod.uid")")" 0
  kubectl uncordon "$node"
  wait_replaced "$pod"
  visit "$pod" 2
  assert_replaced "$pod"
  assert_survived "$pod" 2
}

@test "control: another claim, and a shorter or changed file, are found out" {
  local pod=chart-web-app-0 kept=$BATS_TEST_TMPDIR/kept
  visit "$pod"
  remember "$pod"
  assert_survived "$pod"
  cp "$BATS_TEST_TMPDIR/$pod.before" "$kept"

  sed -i '1s/^2/1/' "$BATS_TEST_TMPDIR/$pod.before"
  run assert_survived "$pod"
  assert_failure
  { cat "$kept" && tail -n 1 "$kept"; } >"$BATS_TEST_TMPDIR/$pod.before"
  run assert_survived "$pod"
  assert_failure
  cp "$kept" "$BATS_TEST_TMPDIR/$pod.before"
  run assert_survived "$pod" 1
  assert_failure
  volume_of chart-web-app-1 >"$BATS_TEST_TMPDIR/$pod.volume"
  run assert_survived "$pod"
  assert_failure
  run assert_replaced "$pod"
  assert_failure
}

@test "control: after a claim is deleted with its pod, the file is empty and the claim has another UID" {
  local pod=chart-web-app-2
  visit "$pod"
  remember "$pod"
  kubectl delete "$(claim_of "$pod")" --wait=false
  kubectl delete pod "$pod" --wait=false
  wait_replaced "$pod"
  run assert_survived "$pod"
  assert_failure
  assert_visits "$pod" 0
}
