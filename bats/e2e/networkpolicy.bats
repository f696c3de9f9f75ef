# The chart's NetworkPolicy, on a cluster whose network enforces it: who reaches the program, and that its pods reach nobody.
# Each refusal has the control that without the policy, or before it, the same request gets its response.

load ../lib/cluster

setup_file() {
  start_file networkpolicy
  start_client visitor
  start_client monitor
  install --set replicaCount=1,preStopSleepSeconds=0
}

teardown_file() { end_file; }

setup() { requires_policies chart-web-app-0 "http://$(address_of visitor):8080/"; }

teardown() {
  kubectl delete pod double --ignore-not-found >/dev/null
  end_test
}

# policy [HELM ARGUMENT...]: the release gets these values of the policy. The pods stay.
policy() { helm upgrade chart "$CHART" --set replicaCount=1,preStopSleepSeconds=0 "$@" >/dev/null; }

can_connect() { try --max 60 --delay 0.5 -- check_from "$@"; }
becomes_refused() { try --max 60 --delay 0.5 -- cannot_connect "$@"; }

readiness_probes() { metric chart-web-app-0 web_app_http_requests_total 'path="/readyz"'; }

has_probes() { [ "$(readiness_probes)" -ge "$1" ]; }

# assert_probed: the kubelet's probes go on, and succeed.
assert_probed() {
  local before
  before=$(readiness_probes)
  try --max 60 --delay 0.5 -- has_probes $((before + 2)) && is_ready chart-web-app-0 True
}

@test "by default every pod may visit and read the metrics, by name; probes and helm test pass" {
  local service=http://chart-web-app admin=http://chart-web-app-0.chart-web-app-headless:8081 elsewhere=$NAMESPACE-2
  local suffix=.$NAMESPACE
  can_connect visitor "$service/"
  can_connect visitor "$admin/metrics"
  kubectl create namespace "$elsewhere" >/dev/null
  NAMESPACE=$elsewhere start_client stranger
  NAMESPACE=$elsewhere can_connect stranger "$service$suffix/"
  NAMESPACE=$elsewhere can_connect stranger "${admin/:8081/$suffix:8081}/metrics"
  kubectl delete namespace "$elsewhere" --wait=false >/dev/null
  assert_probed
  helm test chart --timeout 60s >/dev/null
}

@test "the release's pods open no connection, not even to the DNS; control: without the policy they do" {
  local visitor monitor
  visitor=http://$(address_of visitor):8080/ monitor=http://$(address_of monitor):8080/
  cannot_connect chart-web-app-0 "$visitor"
  cannot_connect chart-web-app-0 "$monitor"
  run check_from chart-web-app-0 http://chart-web-app/
  assert_failure
  assert_output --partial 'cannot look up chart-web-app'
  policy --set networkPolicy.enabled=false
  can_connect chart-web-app-0 "$visitor"
  can_connect chart-web-app-0 "$monitor"
  can_connect chart-web-app-0 http://chart-web-app/
  policy
  becomes_refused chart-web-app-0 "$visitor"
}

@test "of the release's pods only the two ports can be reached; control: without the policy every port" {
  local address
  # A pod that the policy selects, which serves at another port.
  start_client double 8082 '{"app.kubernetes.io/name": "web-app", "app.kubernetes.io/instance": "chart"}'
  address=http://$(address_of double)
  becomes_refused visitor "$address:8082/"
  can_connect visitor "$address:8081/healthz"
  policy --set networkPolicy.enabled=false
  can_connect visitor "$address:8082/"
  policy
  becomes_refused visitor "$address:8082/"
}

@test "httpFrom and adminFrom each let in the pods that they name, and no other; probes go on, and helm test passes" {
  local address
  address=http://$(address_of chart-web-app-0)
  # Control: by default each of the two may use each port.
  can_connect visitor "$address:8080/"
  can_connect visitor "$address:8081/metrics"
  can_connect monitor "$address:8080/"
  can_connect monitor "$address:8081/metrics"
  policy --set-json 'networkPolicy.httpFrom=[{"podSelector": {"matchLabels": {"role": "visitor"}}}]' \
    --set-json 'networkPolicy.adminFrom=[{"podSelector": {"matchLabels": {"role": "monitor"}}}]'
  becomes_refused monitor "$address:8080/"
  becomes_refused visitor "$address:8081/metrics"
  can_connect visitor "$address:8080/"
  can_connect monitor "$address:8081/metrics"
  assert_probed
  helm test chart --timeout 60s >/dev/null
  policy
  can_connect monitor "$address:8080/"
}
