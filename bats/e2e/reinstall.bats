# Visits outlive the release. `helm uninstall` must remove the pods, the StatefulSet and the Services, but keep the claims,
# bound to the same volumes. After the next install the pods are new, the claims are the same, and each file continues.
# The value persistence.whenDeleted=Delete removes the claims too, and whenScaled=Delete those of removed replicas.

load ../lib/cluster

setup_file() { start_file reinstall; }
teardown_file() { end_file; }

seconds_of() { date -d "$(field "$1" .metadata.creationTimestamp)" +%s; }

@test "visits outlive an uninstall and an install" {
  local pod
  install
  for pod in chart-web-app-{0,1,2}; do
    visit "$pod" 2
    remember "$pod"
  done
  uninstall
  assert_equal "$(kubectl get pods,statefulsets,services,serviceaccounts,poddisruptionbudgets,networkpolicies --selector "$SELECTOR" -o name)" ""
  for pod in chart-web-app-{0,1,2}; do
    assert_equal "$(volume_of "$pod")" "$(cat "$BATS_TEST_TMPDIR/$pod.volume")"
    assert_equal "$(kubectl get "$(claim_of "$pod")" -o jsonpath='{.status.phase}')" Bound
  done

  install
  kubectl get po,sts,svc,pvc
  for pod in chart-web-app-{0,1,2}; do
    visit "$pod"
    assert_replaced "$pod"
    assert_survived "$pod" 1
    assert [ "$(seconds_of "$(claim_of "$pod")")" -lt "$(seconds_of "pod/$pod")" ]
  done
}

@test "visits outlive an immediate reinstall, while the old pods are still stopping" {
  local pod
  for pod in chart-web-app-{0,1,2}; do
    visit "$pod"
    remember "$pod"
  done
  helm uninstall chart >/dev/null
  # The old pods are there, and stopping.
  is_stopping() { [ -n "$(field pod/chart-web-app-0 .metadata.deletionTimestamp)" ]; }
  try --max 20 --delay 0.1 -- is_stopping
  # From here on there are no visits while pods stop, so they need not wait before they stop.
  install --set preStopSleepSeconds=0
  for pod in chart-web-app-{0,1,2}; do
    visit "$pod"
    assert_replaced "$pod"
    assert_survived "$pod" 1
  done
}

scale() {
  helm upgrade chart "$CHART" --reuse-values --set replicaCount="$1" --wait --timeout 90s >/dev/null
  try --max 60 --delay 0.5 -- has_pods "$1"
}

has_pods() { [ "$(pods | wc -l)" = "$1" ]; }

@test "visits outlive scaling to one pod and back, and additional pods start without visits" {
  local pod
  for pod in chart-web-app-{0,1,2}; do
    visit "$pod"
    remember "$pod"
  done
  scale 1
  assert_equal "$(kubectl get pvc --selector "$SELECTOR" -o name | wc -l)" 3
  scale 3
  assert_equal "$(uid pod/chart-web-app-0)" "$(cat "$BATS_TEST_TMPDIR/chart-web-app-0.uid")"
  for pod in chart-web-app-{1,2}; do
    visit "$pod"
    assert_replaced "$pod"
    assert_survived "$pod" 1
  done
  scale 5
  assert_visits chart-web-app-3 0
  assert_visits chart-web-app-4 0
  assert_survived chart-web-app-0
}

@test "control: with persistence.whenScaled=Delete a claim is removed with its pod, and the next file is empty" {
  helm upgrade chart "$CHART" --reuse-values --set replicaCount=2,persistence.whenScaled=Delete --wait --timeout 90s >/dev/null
  try --max 60 --delay 0.5 -- has_pods 2
  # The value does not apply to claims of pods that were scaled away under Retain.
  visit chart-web-app-1
  remember chart-web-app-1
  scale 1
  kubectl wait --for=delete "$(claim_of chart-web-app-1)" --timeout 60s
  scale 2
  run assert_survived chart-web-app-1
  assert_failure
  assert_visits chart-web-app-1 0
}

@test "control: with persistence.whenDeleted=Delete an uninstall removes the claims" {
  helm upgrade chart "$CHART" --reuse-values --set replicaCount=3,persistence.whenDeleted=Delete --wait --timeout 90s >/dev/null
  # First the existing claims must belong to the StatefulSet.
  try --max 60 --delay 0.5 -- all_owned
  uninstall
  try --max 60 --delay 1 -- no_claims_of_three
}

all_owned() {
  local pod
  for pod in chart-web-app-{0,1,2}; do
    [ "$(kubectl get "$(claim_of "$pod")" -o jsonpath='{.metadata.ownerReferences[0].kind}')" = StatefulSet ] || return
  done
}

no_claims_of_three() {
  ! kubectl get pvc -o name | grep -E 'chart-web-app-[012]$'
}
