# Visits outlive the release. After `helm uninstall` the pods, the StatefulSet and the Services must go, and the claims must stay,
# bound to the same volumes. After the next install the pods are new, the claims are not, and each file goes on where it was.
# By the value persistence.whenDeleted the claims go too, and by whenScaled those of the pods that are scaled away.

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

@test "visits outlive an install at once, while the old pods are still stopping" {
  local pod
  for pod in chart-web-app-{0,1,2}; do
    visit "$pod"
    remember "$pod"
  done
  helm uninstall chart >/dev/null
  # The old pods are there, and stopping.
  is_stopping() { [ -n "$(field pod/chart-web-app-0 .metadata.deletionTimestamp)" ]; }
  try --max 20 --delay 0.1 -- is_stopping
  # From here on pods stop at once, since nobody visits them meanwhile.
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

@test "visits outlive scaling to one pod and back, and more pods start at nothing" {
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

@test "control: by persistence.whenScaled=Delete a claim goes with its pod, and the file starts anew" {
  helm upgrade chart "$CHART" --reuse-values --set replicaCount=2,persistence.whenScaled=Delete --wait --timeout 90s >/dev/null
  try --max 60 --delay 0.5 -- has_pods 2
  # The claims of pods that were scaled away under Retain are not its business.
  visit chart-web-app-1
  remember chart-web-app-1
  scale 1
  kubectl wait --for=delete "$(claim_of chart-web-app-1)" --timeout 60s
  scale 2
  run assert_survived chart-web-app-1
  assert_failure
  assert_visits chart-web-app-1 0
}

@test "control: by persistence.whenDeleted=Delete an uninstall takes the claims" {
  helm upgrade chart "$CHART" --reuse-values --set replicaCount=3,persistence.whenDeleted=Delete --wait --timeout 90s >/dev/null
  # Those that are there belong to the StatefulSet now.
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
