# A rolling update replaces every pod while visitors come, and no visitor notices: no visit fails, and each one is in the
# file of the pod that responded, under the number in the response.

load ../lib/cluster

setup_file() {
  start_file upgrade
  install
}

teardown_file() { end_file; }

start_visitors() {
  local address
  BEFORE=$(count_all_visits)
  address=$(field service/chart-web-app .spec.clusterIP)
  visitors_start fresh1 "$address" 80 fresh
  visitors_start fresh2 "$address" 80 fresh
  visitors_start kept "$address" 80 kept
}

@test "an upgrade to another chart and image rolls over all pods, without a failed or lost visit" {
  requires_nodes
  local pod chart=$BATS_TEST_TMPDIR/chart
  for pod in chart-web-app-{0,1,2}; do remember "$pod"; done
  cp -r "$CHART" "$chart"
  sed -i 's/^version: .*/version: 1.0.1/; s/^appVersion: .*/appVersion: 1.0.1/' "$chart/Chart.yaml"
  start_visitors
  helm upgrade chart "$chart" --wait --timeout 120s >/dev/null
  kubectl rollout status statefulset/chart-web-app --timeout 120s
  visitors_stop

  for pod in chart-web-app-{0,1,2}; do
    assert_replaced "$pod"
    assert_equal "$(field "pod/$pod" '.spec.containers[0].image')" web-app:1.0.1
    assert_equal "$(field "pod/$pod" '.metadata.labels.app\.kubernetes\.io/version')" 1.0.1
  done
  echo "$(wc -l <"$RESPONSES") visits acknowledged during the upgrade"
  assert_all_acknowledged "$RESPONSES"
  assert_responses_recorded "$RESPONSES" "$BEFORE"
}

restart_all() {
  kubectl rollout restart statefulset/chart-web-app >/dev/null
  kubectl rollout status statefulset/chart-web-app --timeout 180s >/dev/null
}

# Together with the 3 of the upgrade above these are 15 restarts of a pod, or 102 with LONG=1.
@test "twelve more restarts of pods in a row, or 99 with LONG=1, lose no visit" {
  requires_nodes
  local rounds round since=$SECONDS
  rounds=$(rounds 4 33)
  start_visitors
  # The first round changes preStopSleepSeconds: it must be as long as a slow cluster needs to take a pod out of its
  # Services.
  helm upgrade chart "$CHART" --set preStopSleepSeconds=4 --wait --timeout 120s >/dev/null
  for ((round = 2; round <= rounds; round++)); do restart_all; done
  visitors_stop
  echo "$((rounds * 3)) restarts in $((SECONDS - since)) s, $(wc -l <"$RESPONSES") visits acknowledged"
  assert_all_acknowledged "$RESPONSES"
  assert_responses_recorded "$RESPONSES" "$BEFORE"
}

@test "control: the same visitors notice pods that are killed" {
  requires_nodes
  local pod
  local -A restarts
  start_visitors
  for pod in chart-web-app-{0,1,2}; do
    restarts[$pod]=$(restarts_of "$pod")
    crash "$pod"
  done
  for pod in chart-web-app-{0,1,2}; do
    try --max 60 --delay 0.5 -- has_restarted "$pod" "${restarts[$pod]}"
    wait_ready "$pod"
  done
  visitors_stop
  run assert_all_acknowledged "$RESPONSES"
  assert_failure
  # Even so, each acknowledged visit is recorded.
  grep ' 200$' "$RESPONSES" >"$BATS_TEST_TMPDIR/acknowledged"
  for pod in chart-web-app-{0,1,2}; do assert_pod_recorded "$BATS_TEST_TMPDIR/acknowledged" "$pod"; done
}
