# An installation as README.md shows it, by the same commands.

load ../lib/cluster

setup_file() {
  start_file install
  cd "$CHART" || return
  helm install chart . >"$BATS_FILE_TMPDIR/notes"
  kubectl rollout status statefulset/chart-web-app --timeout 120s
}

teardown_file() { end_file; }

@test "kubectl get po,sts,svc,pvc shows the expected table" {
  kubectl get po,sts,svc,pvc >"$BATS_TEST_TMPDIR/table"
  cat "$BATS_TEST_TMPDIR/table"
  # NAME and the columns that do not depend on the moment or the address.
  run awk '
    /^pod\// { print $1, $2, $3 }
    /^statefulset/ { print $1, $2 }
    /^service/ { print $1, $2, $5 }
    /^persistentvolumeclaim/ { print $1, $2, $4, $5, $6 }' "$BATS_TEST_TMPDIR/table"
  local class
  class=$(kubectl get storageclass -o jsonpath='{.items[?(@.metadata.annotations.storageclass\.kubernetes\.io/is-default-class=="true")].metadata.name}')
  assert_output "pod/chart-web-app-0 1/1 Running
pod/chart-web-app-1 1/1 Running
pod/chart-web-app-2 1/1 Running
statefulset.apps/chart-web-app 3/3
service/chart-web-app ClusterIP 80/TCP
service/chart-web-app-headless ClusterIP 8080/TCP,8081/TCP
persistentvolumeclaim/persistent-data-volume-chart-web-app-0 Bound 100Mi RWO $class
persistentvolumeclaim/persistent-data-volume-chart-web-app-1 Bound 100Mi RWO $class
persistentvolumeclaim/persistent-data-volume-chart-web-app-2 Bound 100Mi RWO $class"
}

@test "kubectl exec with web-app visits prints the numbered lines of that pod" {
  visit chart-web-app-0 2
  run kubectl exec chart-web-app-0 -- web-app visits
  assert_success
  assert_equal "${#lines[@]}" 2
  assert_line --index 0 --regexp "^     1"$'\t'"$TIMESTAMP_SHAPE\$"
  assert_line --index 1 --regexp "^     2"$'\t'"$TIMESTAMP_SHAPE\$"
  assert_line --index 1 --partial "+03:00"
}

# note PATTERN: prints the first line of the notes that matches, without its indent.
note() {
  local line
  read -r line < <(grep -E "$1" "$BATS_FILE_TMPDIR/notes") || fail "the notes have no line $1"
  echo "$line"
}

@test "the commands that the notes print work as they are" {
  # A user's shell has the plain kubectl.
  unset -f kubectl
  eval "$(note 'export POD_NAME')"
  eval "$(note 'export CONTAINER_PORT')"
  assert_regex "$POD_NAME" '^chart-web-app-[0-2]$'
  assert_equal "$CONTAINER_PORT" 8080
  local forward
  forward=$(note 'port-forward')
  # shellcheck disable=SC2016 # it is the variable of the note
  assert_regex "$forward" ' 8080:\$CONTAINER_PORT$'
  # Port 8080 of this machine may be in use, so only the local port is changed.
  eval "exec ${forward/ 8080:/ :}" >"$BATS_TEST_TMPDIR/forward" 2>&1 </dev/null 3>&- &
  FORWARDS+=($!)
  try --max 100 --delay 0.1 -- grep -q '^Forwarding from 127' "$BATS_TEST_TMPDIR/forward"
  local port
  port=$(sed -n 's/^Forwarding from 127.0.0.1:\([0-9]*\) .*/\1/p' "$BATS_TEST_TMPDIR/forward")
  run curl -s -i --max-time 10 "http://127.0.0.1:$port/"
  assert_line --partial '200'
  assert_output --partial "X-Pod: $POD_NAME"

  run bash -c "$(note 'kubectl exec')"
  assert_success
  assert_line --regexp "^     1"$'\t'"$TIMESTAMP_SHAPE\$"

  run bash -c "$(note 'kubectl delete pvc') --dry-run=server -o name"
  assert_success
  assert_equal "$(sort <<<"$output")" "persistentvolumeclaim/persistent-data-volume-chart-web-app-0
persistentvolumeclaim/persistent-data-volume-chart-web-app-1
persistentvolumeclaim/persistent-data-volume-chart-web-app-2"
}

@test "helm test passes and prints its logs, and leaves no pod behind, except with Helm 3" {
  run helm test chart --logs --timeout 60s
  assert_success
  assert_equal "$(grep -c '200 ready' <<<"$output")" "$(if [[ $(helm version --short) == v3* ]]; then echo 3; else echo 2; fi)"
  if [[ $(helm version --short) == v3* ]]; then kubectl delete pod chart-web-app-test chart-web-app-test-pod; fi
  run kubectl get pods -o name
  refute_output --partial test
}

# probed POD READINESS LIVENESS: its probes have got at least that many responses.
probed() {
  [ "$(metric "$1" web_app_http_requests_total 'path="/readyz"')" -ge "$2" ] &&
    [ "$(metric "$1" web_app_http_requests_total 'path="/healthz"')" -ge "$3" ]
}

@test "probes and scrapes add no line" {
  local before readiness liveness
  before=$(count_visits chart-web-app-1)
  readiness=$(metric chart-web-app-1 web_app_http_requests_total 'path="/readyz"')
  liveness=$(metric chart-web-app-1 web_app_http_requests_total 'path="/healthz"')
  # Several periods of each probe, by the program's own count of requests.
  try --max 60 --delay 1 -- probed chart-web-app-1 $((readiness + 5)) $((liveness + 2))
  assert_visits chart-web-app-1 "$before"
  # Negative control: one visit is noticed.
  visit chart-web-app-1
  assert_visits chart-web-app-1 $((before + 1))
}

@test "a second release in the namespace has pods, claims and a Service of its own" {
  helm install other "$CHART" --set replicaCount=1 --wait --timeout 60s >/dev/null
  assert_equal "$(kubectl get endpointslices -l kubernetes.io/service-name=chart-web-app -o jsonpath='{.items[*].endpoints[*].targetRef.name}' | tr ' ' '\n' | sort | xargs)" \
    "chart-web-app-0 chart-web-app-1 chart-web-app-2"
  assert_equal "$(kubectl get pvc -l app.kubernetes.io/instance=other -o jsonpath='{.items[*].metadata.name}')" \
    persistent-data-volume-other-web-app-0
  helm uninstall other --wait >/dev/null
}
