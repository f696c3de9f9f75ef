# The replicas start at the same time. No clock is needed to prove that: with a readiness probe that never succeeds, pods
# that wait for one another would never be created.

load ../lib/cluster

setup_file() {
  start_file parallel
  start_client visitor
}

teardown_file() { end_file; }

# never_ready HELM_ARGUMENT...: installs with a readiness probe that never succeeds, and does not wait.
never_ready() {
  helm install chart "$CHART" --set probes.readiness.httpGet.path=/never,preStopSleepSeconds=0 "$@" >/dev/null
}

has_file() { kubectl exec "$1" -- web-app visits --raw >/dev/null; }

# has_name POD: the API server and the cluster's DNS know its address. Makes no visit.
has_name() { check_from visitor "http://$1.chart-web-app-headless:8081/healthz"; }

@test "all pods, claims and files are created although no pod is ever ready" {
  local pod
  never_ready
  for pod in chart-web-app-{0,1,2}; do
    try --max 120 --delay 0.5 -- has_file "$pod"
    assert_equal "$(kubectl get "$(claim_of "$pod")" -o jsonpath='{.status.phase}')" Bound
    is_ready "$pod" False
  done
  # A pod that is not ready still has its name, and a visit to it is recorded.
  try --max 60 --delay 0.5 -- has_name chart-web-app-2
  visit chart-web-app-2
  assert_visits chart-web-app-2 1
  check_from visitor http://chart-web-app-2.chart-web-app-headless:8080/
  assert_visits chart-web-app-2 2
  assert_visits chart-web-app-1 0

  # No pod is ready, so the Service has no endpoint, and helm's test fails.
  run helm test chart --timeout 60s
  assert_failure
  helm uninstall chart --wait >/dev/null
}

@test "control: with OrderedReady the first pod is alone while it is not ready" {
  kubectl delete pvc --selector "$SELECTOR" >/dev/null
  never_ready --set podManagementPolicy=OrderedReady
  try --max 120 --delay 0.5 -- has_file chart-web-app-0
  # The controller has seen that the first pod is not ready, and has created no second one.
  try --max 60 --delay 0.5 -- controller_saw_one
  assert_equal "$(pods)" chart-web-app-0
  assert_equal "$(kubectl get pvc -o name)" "persistentvolumeclaim/persistent-data-volume-chart-web-app-0"
  helm uninstall chart --wait >/dev/null
  kubectl delete pvc --selector "$SELECTOR" >/dev/null
}

controller_saw_one() {
  local seen
  seen=$(field statefulset/chart-web-app '.status.observedGeneration} {.status.replicas} {.status.readyReplicas')
  [ "$seen" = "1 1 " ] && [ "$(field pod/chart-web-app-0 '.status.containerStatuses[0].started')" = true ]
}

@test "all pods are created within a second" {
  install
  local pod first last
  for pod in $(pods); do
    visit "$pod" >/dev/null
    echo "$pod created at $(field "pod/$pod" .metadata.creationTimestamp), its claim at $(field "$(claim_of "$pod")" .metadata.creationTimestamp), first visit $(visits "$pod" | head -n 1)"
  done
  first=$(kubectl get pods --selector "$SELECTOR" -o jsonpath='{range .items[*]}{.metadata.creationTimestamp}{"\n"}{end}' | sort | head -n 1)
  last=$(kubectl get pods --selector "$SELECTOR" -o jsonpath='{range .items[*]}{.metadata.creationTimestamp}{"\n"}{end}' | sort | tail -n 1)
  # The API server's times are whole seconds. One after another, any two pods would be several seconds apart.
  assert [ $(($(date -d "$last" +%s) - $(date -d "$first" +%s))) -le 1 ]
}
