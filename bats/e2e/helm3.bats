# The basis of the other tests with Helm 3: install, upgrade, test, uninstall, and the next install. Then Helm 4 takes the
# release over, as its users do.

load ../lib/cluster

helm4() { limited helm "$@" </dev/null 3>&-; }
helm() { helm3 "$@"; }

setup_file() {
  start_file helm3
  install --set preStopSleepSeconds=0
}

teardown_file() { end_file; }

remember_all() {
  local pod
  for pod in chart-web-app-{0,1,2}; do
    visit "$pod" 2
    remember "$pod"
  done
}

# assert_all_continue: all pods are new, and each file continues.
assert_all_continue() {
  local pod
  for pod in chart-web-app-{0,1,2}; do
    visit "$pod"
    assert_replaced "$pod"
    assert_survived "$pod" 1
  done
}

@test "with Helm 3 the chart installs, and helm test passes and prints its logs" {
  assert_regex "$(helm version --short)" '^v3\.'
  run helm test chart --logs --timeout 60s
  assert_success
  assert_equal "$(grep -c '200 ready' <<<"$output")" 3
}

@test "visits outlive an upgrade with Helm 3" {
  remember_all
  helm upgrade chart "$CHART" --reset-then-reuse-values --set drain=4s --wait --timeout 120s >/dev/null
  kubectl rollout status statefulset/chart-web-app --timeout 120s
  assert_all_continue
}

@test "visits outlive an uninstall and an install with Helm 3" {
  remember_all
  uninstall
  install --set preStopSleepSeconds=0
  assert_all_continue
}

@test "visits outlive an upgrade with Helm 4 of a release that Helm 3 made" {
  remember_all
  run helm4 version --short
  assert_output --regexp '^v4\.'
  helm4 upgrade chart "$CHART" --reset-then-reuse-values --set drain=4s --wait --timeout 120s >/dev/null
  kubectl rollout status statefulset/chart-web-app --timeout 120s
  assert_all_continue
}
