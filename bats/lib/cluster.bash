# The test language of the end-to-end tests. Helpers with the names of common.bash take a pod here. Every call goes to
# the one cluster of build/kubeconfig, and to the test file's own namespace.
# shellcheck shell=bash

load ../lib/common

CHART=$ROOT/chart
SELECTOR=app.kubernetes.io/name=web-app,app.kubernetes.io/instance=chart
export KUBECONFIG=${E2E_KUBECONFIG:-$BUILD/kubeconfig}

# The asserts below end in `|| return` or `&&`, because `run` and `if` switch errexit off.

kubectl() { limited kubectl ${NAMESPACE:+--namespace "$NAMESPACE"} "$@" </dev/null 3>&-; }

# kubectl_apply: applies the resources on standard input.
kubectl_apply() { limited kubectl ${NAMESPACE:+--namespace "$NAMESPACE"} apply -f - 3>&-; }

# helm takes its namespace from HELM_NAMESPACE, so that a test can say `helm install chart .`.

# start_file TOPIC [LABEL...]: for setup_file. Makes a namespace that no other file or run uses.
start_file() {
  local topic=$1
  shift
  [ -s "$KUBECONFIG" ] || fail "there is no cluster; make one with: ./build.sh cluster up"
  FILE_SINCE=$SECONDS
  NAMESPACE=web-app-$topic-$(printf '%04x%04x' $RANDOM $RANDOM)
  HELM_NAMESPACE=$NAMESPACE
  export FILE_SINCE NAMESPACE HELM_NAMESPACE
  kubectl create namespace "$NAMESPACE" >/dev/null
  [ $# = 0 ] || kubectl label namespace "$NAMESPACE" "$@" >/dev/null
}

# end_file: for teardown_file. KEEP=1 leaves the namespace of a file that failed.
end_file() {
  [ -n "${NAMESPACE:-}" ] || return 0
  printf '# %s: %d s\n' "${BATS_TEST_FILENAME##*/}" $((SECONDS - FILE_SINCE)) >&3
  if [ "${KEEP:-}" = 1 ] && [ -e "$BATS_FILE_TMPDIR/failed" ]; then
    printf '# KEEP=1: namespace %s stays\n' "$NAMESPACE" >&3
    return
  fi
  kubectl delete namespace "$NAMESPACE" --wait=false >/dev/null
}

teardown() { end_test; }

# end_test: for a teardown of a file's own.
end_test() {
  stop_forwards
  [ -n "${BATS_TEST_COMPLETED:-}" ] || {
    touch "$BATS_FILE_TMPDIR/failed"
    diagnose
  }
}

# diagnose: saves whatever may explain a failure in a directory, and prints its path.
diagnose() {
  local directory pod
  directory=$BUILD/diagnostics/$(basename "$BATS_TEST_FILENAME" .bats)-$BATS_TEST_NUMBER-$NAMESPACE
  mkdir -p "$directory"
  {
    kubectl get pods,statefulsets,services,persistentvolumeclaims,events -o wide >"$directory/get.txt"
    kubectl get persistentvolumes,nodes -o wide >"$directory/cluster.txt"
    kubectl describe pods,statefulsets,persistentvolumeclaims >"$directory/describe.txt"
    kubectl get events --sort-by=.lastTimestamp >"$directory/events.txt"
    helm list >"$directory/helm.txt"
    for pod in $(pods); do
      kubectl logs "$pod" --timestamps >"$directory/$pod.log"
      kubectl logs "$pod" --timestamps --previous >"$directory/$pod.previous.log" 2>/dev/null
      kubectl exec "$pod" -- web-app visits --tail 20 >"$directory/$pod.visits.txt"
    done
  } 2>&1 || true
  find "$directory" -empty -type f -delete
  echo "diagnostics are in ${directory#"$ROOT"/}"
}

# install [HELM ARGUMENT...]: installs the release `chart` and waits until it is ready. helm's --wait would take twice as
# long to notice.
install() {
  helm install chart "$CHART" "$@" >/dev/null && kubectl rollout status statefulset/chart-web-app --timeout 120s >/dev/null
}

# uninstall: removes the release, and waits until its pods are gone. Not with --cascade foreground: the StatefulSet would
# outlive helm's wait, and an install at that moment would adopt it and then lose it.
uninstall() {
  helm uninstall chart --wait --timeout 120s >/dev/null
  kubectl wait --for=delete pod --selector "$SELECTOR" --timeout 60s >/dev/null
}

# uninstall_with_claims: removes its claims too, for the next test or before their volumes go.
uninstall_with_claims() {
  uninstall
  kubectl delete pvc --selector "$SELECTOR" >/dev/null
}

# pods: the names of the release's pods, one a line.
pods() {
  kubectl get pods --selector "$SELECTOR" -o jsonpath='{range .items[*]}{.metadata.name}{"\n"}{end}'
}

# field RESOURCE JSONPATH: one field, such as `field pod/chart-web-app-0 .metadata.uid`.
field() {
  kubectl get "$1" -o jsonpath="{$2}"
}

uid() { field "$1" .metadata.uid; }

claim_of() { echo "pvc/persistent-data-volume-$1"; }

# volume_of POD: prints the claim's UID, the volume's name and the claim's phase. If these stay, the data is the same.
volume_of() {
  kubectl get "$(claim_of "$1")" -o jsonpath='{.metadata.uid} {.spec.volumeName} {.status.phase}'
}

# visit POD [COUNT]: visits the pod through the API server, which works on every cluster. Fails unless the status is 200.
visit() {
  local count
  for ((count = 0; count < ${2:-1}; count++)); do
    kubectl get --raw "/api/v1/namespaces/$NAMESPACE/pods/$1:8080/proxy/" >/dev/null || return
  done
}

# visits POD: prints its visits.txt, byte for byte.
visits() { kubectl exec "$1" -- web-app visits --raw; }

count_visits() { visits "$1" | wc -l; }

# admin POD PATH: prints the response of the admin port, whether the pod is ready or not. Through a port-forward, since the
# chart's policy lets only pods and the pod's own node use this port, and the API server may be on another.
admin() {
  local FORWARDS=() FORWARD
  forward "pod/$1" 8081
  curl -sS --fail --max-time 15 "http://127.0.0.1:$FORWARD$2"
  stop_forwards
}

# start_client NAME [PORT LABELS]: starts a pod of the program's image that no release owns, and waits for it. The chart's
# policy lets the release's pods open no connection, so requests from within the cluster come from this one. It serves too,
# at PORT. LABELS, in JSON, are its labels besides role=NAME.
start_client() {
  jq -n --arg name "$1" --arg image "web-app:$(version)" --arg port "${2:-8080}" --argjson labels "${3:-null}" '{
    apiVersion: "v1", kind: "Pod", metadata: {name: $name, labels: ({role: $name} + $labels)},
    spec: {
      terminationGracePeriodSeconds: 0, automountServiceAccountToken: false,
      securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: "RuntimeDefault"}},
      volumes: [{name: "data", emptyDir: {}}],
      containers: [{
        name: "web-app", image: $image, imagePullPolicy: "IfNotPresent", env: [{name: "WEB_APP_LISTEN", value: $port}],
        volumeMounts: [{name: "data", mountPath: "/data"}],
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: ["ALL"]}}}]}}' | kubectl_apply >/dev/null
  wait_ready "$1"
}

# check_from POD URL: a request from the pod gets 200.
check_from() { kubectl exec "$1" -- web-app check "$2"; }

address_of() { field "pod/$1" .status.podIP; }

# metric POD NAME [LABEL]: prints the sum of a metric over all its series, or over those with the label.
metric() {
  admin "$1" /metrics | awk -v name="$2" -v label="${3:-}" '
    { series = $1; sub(/[{].*/, "", series) }
    series == name && index($1, label) { sum += $2 }
    END { printf "%d\n", sum }'
}

# assert_visits POD COUNT: its file has COUNT lines, each a timestamp, none earlier than the one before, and nothing after
# the last newline.
assert_visits() {
  local file=$BATS_TEST_TMPDIR/$1.visits
  visits "$1" >"$file"
  assert_equal "$1: $(wc -l <"$file") visits" "$1: $2 visits" && assert_visits_whole "$file"
}

# assert_visits_whole FILE: the same for any number of lines.
assert_visits_whole() {
  if [ -s "$1" ] && [ "$(tail -c 1 "$1" | od -An -tx1)" != ' 0a' ]; then
    fail "$1 does not end in a newline"
  elif grep -nvxE "$TIMESTAMP_SHAPE" "$1"; then
    fail "these lines of $1 are not timestamps"
  elif ! LC_ALL=C sort -c "$1"; then
    fail "the times in $1 go back"
  fi
}

# assert_continues OLD NEW LINES: the file NEW begins with the content of OLD, and has LINES lines.
assert_continues() {
  cmp -n "$(stat -c %s "$1")" "$1" "$2" || fail "$2 does not begin with the content of $1" || return
  assert_equal "$(wc -l <"$2") lines" "$3 lines" && assert_visits_whole "$2"
}

# remember POD: saves its visits, volume and UID for assert_survived and assert_replaced.
remember() {
  visits "$1" >"$BATS_TEST_TMPDIR/$1.before"
  volume_of "$1" >"$BATS_TEST_TMPDIR/$1.volume"
  remember_uid "$1"
}

# remember_uid POD: saves only its UID, for wait_replaced. The pod need not have a visits file.
remember_uid() { uid "pod/$1" >"$BATS_TEST_TMPDIR/$1.uid"; }

# assert_survived POD [SINCE]: it has the volume and the visits that `remember` saved, and SINCE more visits.
assert_survived() {
  local before=$BATS_TEST_TMPDIR/$1.before
  assert_equal "$(volume_of "$1")" "$(cat "$BATS_TEST_TMPDIR/$1.volume")" || return
  visits "$1" >"$BATS_TEST_TMPDIR/$1.after"
  assert_continues "$before" "$BATS_TEST_TMPDIR/$1.after" $(($(wc -l <"$before") + ${2:-0}))
}

# assert_replaced POD: it is not the pod that `remember` saved.
assert_replaced() {
  assert [ "$(uid "pod/$1")" != "$(cat "$BATS_TEST_TMPDIR/$1.uid")" ]
}

# wait_replaced POD: waits until a pod of that name is ready that is not the one that `remember` saved. The old pod may
# still be there, and ready, for a moment.
wait_replaced() {
  try --max 120 --delay 0.5 -- pod_replaced "$1" "$(cat "$BATS_TEST_TMPDIR/$1.uid")"
  wait_ready "$1"
}

pod_replaced() {
  local uid
  uid=$(uid "pod/$1") && [ "$uid" != "$2" ]
}

wait_ready() { kubectl wait --for=condition=Ready "pod/$1" --timeout "${2:-90}s" >/dev/null; }

is_ready() { [ "$(field "pod/$1" '.status.conditions[?(@.type=="Ready")].status')" = "$2" ]; }

wait_unready() { try --max 60 --delay 0.5 -- is_ready "$1" False; }

# logs_say POD REGEX
logs_say() { kubectl logs "$1" | grep -E "$2"; }

# responds_with POD CODE: a visit to the pod gets that status, through a port-forward.
responds_with() {
  local code
  forward "pod/$1" 8080
  code=$(curl -s -o /dev/null -w '%{http_code}' --max-time 15 "http://127.0.0.1:$FORWARD/")
  stop_forwards
  assert_equal "$code" "$2"
}

# forward TARGET PORT: forwards a free port of the loopback to it until the test ends, and sets $FORWARD to that port. A
# test may have several forwards.
forward() {
  local target=$1 port=$2 log
  log=$(scratch)/forward.$RANDOM
  timeout 1800 kubectl --namespace "$NAMESPACE" port-forward "$target" ":$port" >"$log" 2>&1 </dev/null 3>&- &
  FORWARDS+=($!)
  try --max 100 --delay 0.1 -- grep -q '^Forwarding from 127' "$log" || fail "no port-forward to $target: $(cat "$log")"
  FORWARD=$(sed -n 's/^Forwarding from 127.0.0.1:\([0-9]*\) .*/\1/p' "$log")
}

stop_forwards() {
  local pid
  for pid in "${FORWARDS[@]:-}"; do
    [ -z "$pid" ] || { kill "$pid" && wait "$pid"; } 2>/dev/null || true
  done
  FORWARDS=()
}

node_of() { field "pod/$1" .spec.nodeName; }

# requires_nodes: skips a test that must run commands on a node, unless the nodes are containers of this machine, as those
# of kind and minikube are.
requires_nodes() {
  local node
  node=$(kubectl get nodes -o jsonpath='{.items[0].metadata.name}')
  docker exec "$node" true </dev/null 3>&- 2>/dev/null && return
  skip_or_fail "node $node is no container of this machine"
}

# requires_policies POD URL: skips a test of NetworkPolicy if one that lets the pod open no connection has no effect. Our own
# cluster must enforce it.
requires_policies() {
  try --max 60 --delay 0.5 -- cannot_connect "$1" "$2" && return
  [ -n "${E2E_CONTEXT:-}" ] || fail "the cluster's network enforces no NetworkPolicy" || return
  skip_or_fail "the network of $E2E_CONTEXT enforces no NetworkPolicy"
}

# cannot_connect POD URL: the pod gets no connection, whether it is refused or nobody responds.
cannot_connect() { kubectl exec "$1" -- web-app check "$2" 2>&1 | grep -F 'cannot connect: '; }

# on_node NODE COMMAND...: runs the command on the node, with this standard input.
on_node() {
  local node=$1
  shift
  limited docker exec -i "$node" "$@" 3>&-
}

# in_cluster COMMAND...: runs the command on a node, from which the Services' addresses are reachable.
in_cluster() {
  local node
  node=$(kubectl get nodes -o jsonpath='{.items[0].metadata.name}')
  on_node "$node" "$@"
}

# crash POD: kills its process with SIGKILL from the node: a pod cannot kill its own first process.
crash() {
  local uid
  uid=$(uid "pod/$1")
  on_node "$(node_of "$1")" bash -s -- "$uid" <<'NODE'
for process in /proc/[0-9]*; do
  if [ "$(cat "$process/comm" 2>/dev/null)" = web-app ] && tr _ - <"$process/cgroup" | grep -q "pod$1"; then
    kill -9 "${process#/proc/}" && exit 0
  fi
done
echo "no web-app process of pod $1 on this node" >&2
exit 1
NODE
}

restarts_of() { field "pod/$1" '.status.containerStatuses[0].restartCount'; }

has_restarted() { [ "$(restarts_of "$1")" -gt "$2" ]; }

# visitors_start NAME ADDRESS PORT MODE: visits from within the cluster until `visitors_stop`. MODE `fresh` opens a
# connection for each visit, `kept` uses a connection for as long as the server keeps it open.
visitors_start() {
  in_cluster bash -s -- "/tmp/$NAMESPACE.$1.stop" "$2" "$3" "$4" <"$ROOT/bats/tools/visitors.sh" >"$BATS_TEST_TMPDIR/$1.responses" 2>"$BATS_TEST_TMPDIR/$1.errors" 3>&- &
  VISITORS+=("$1:$!")
  try --max 150 --delay 0.2 -- grep -q ' 200$' "$BATS_TEST_TMPDIR/$1.responses" ||
    fail "no visitor of $1 got 200: $(tail -n 3 "$BATS_TEST_TMPDIR/$1.responses" "$BATS_TEST_TMPDIR/$1.errors")"
}

# visitors_stop: ends them all, and sets $RESPONSES to a file of their responses, one a line as `JSON STATUS`.
visitors_stop() {
  local visitors
  RESPONSES=$BATS_TEST_TMPDIR/responses
  for visitors in "${VISITORS[@]}"; do
    in_cluster touch "/tmp/$NAMESPACE.${visitors%%:*}.stop" </dev/null
    wait "${visitors##*:}" || fail "the visitors ${visitors%%:*} stopped by themselves: $(cat "$BATS_TEST_TMPDIR/${visitors%%:*}.errors")"
    in_cluster rm -f "/tmp/$NAMESPACE.${visitors%%:*}.stop" </dev/null
    cat "$BATS_TEST_TMPDIR/${visitors%%:*}.responses"
  done >"$RESPONSES"
  VISITORS=()
}

# assert_all_acknowledged FILE: every visit got a 200.
assert_all_acknowledged() {
  [ -s "$1" ] || fail "nobody visited" || return
  ! grep -v ' 200$' "$1" || fail "these of $(wc -l <"$1") visits did not get 200"
}

# assert_pod_recorded FILE POD: each response of the pod in FILE has the number and the time of a line of the pod's
# file.
assert_pod_recorded() {
  local lost acknowledged=$BATS_TEST_TMPDIR/$2.acknowledged file=$BATS_TEST_TMPDIR/$2.visits
  visits "$2" >"$file"
  assert_visits_whole "$file" || return
  sed 's/ [0-9]*$//' "$1" | jq -r --arg pod "$2" 'select(.pod == $pod) | "\(.visit)\t\(.time)"' | LC_ALL=C sort >"$acknowledged"
  lost=$(cat -n "$file" | sed 's/^ *//' | LC_ALL=C sort | LC_ALL=C comm -23 "$acknowledged" -)
  [ -z "$lost" ] || fail "$2 acknowledged visits that are not in its file: $lost"
}

# assert_responses_recorded FILE BEFORE: assert_pod_recorded holds for each pod, and the pods' files together have grown
# from BEFORE lines by one line for each response.
assert_responses_recorded() {
  local pod lines=0
  for pod in chart-web-app-{0,1,2}; do
    assert_pod_recorded "$1" "$pod" || return
    lines=$((lines + $(wc -l <"$BATS_TEST_TMPDIR/$pod.visits")))
  done
  assert_equal "$((lines - $2)) more lines" "$(wc -l <"$1") more lines"
}

# count_all_visits: prints the number of lines in all three pods' files.
count_all_visits() {
  local pod
  for pod in chart-web-app-{0,1,2}; do visits "$pod"; done | wc -l
}

# worker: prints a node that runs pods.
worker() {
  kubectl get nodes -o json | jq -r '[.items[] | select(any(.spec.taints[]?; .effect == "NoSchedule") | not)][0].metadata.name'
}

# make_volume NAME MOUNT_OPTIONS [CLASS]: makes a volume in a node's memory, in the storage class CLASS or in one of its own.
# Sets $VOLUME to the volume's name, which is also that of its own class, and $NODE to the node, where it is in
# /var/local/$VOLUME. The test's file removes them by remove_volumes.
make_volume() {
  NODE=$(worker)
  VOLUME=$NAMESPACE-$1
  on_node "$NODE" mkdir -p "/var/local/$VOLUME" </dev/null
  on_node "$NODE" mount -t tmpfs -o "$2" tmpfs "/var/local/$VOLUME" </dev/null
  kubectl_apply >/dev/null <<VOLUME
apiVersion: v1
kind: PersistentVolume
metadata: {name: $VOLUME, labels: {web-app-test: $NAMESPACE}}
spec:
  capacity: {storage: 100Mi}
  accessModes: [ReadWriteOnce]
  storageClassName: ${3:-$VOLUME}
  local: {path: /var/local/$VOLUME}
  nodeAffinity:
    required:
      nodeSelectorTerms:
        - matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [$NODE]}]
VOLUME
}

# remove_volumes: for teardown_file.
remove_volumes() {
  local volume
  for volume in $(kubectl get persistentvolumes -l "web-app-test=$NAMESPACE" -o jsonpath='{.items[*].metadata.name}'); do
    kubectl delete persistentvolume "$volume" --wait=false >/dev/null
    on_node "$(worker)" umount --lazy "/var/local/$volume" </dev/null || true
    on_node "$(worker)" rmdir "/var/local/$volume" </dev/null || true
  done
}

# fill VOLUME: fills the volume; only the last page of the visits file has room left.
fill() {
  on_node "$NODE" dd if=/dev/zero of="/var/local/$1/filler" bs=4k 2>/dev/null </dev/null || true
}

# visit_until_refused PORT: visits until one gets a 503, and sets $ACKNOWLEDGED to the number that got a 200 before.
visit_until_refused() {
  local codes visit
  codes=$(scratch)/codes
  # More visits than a page has lines, and curl stops at the first that fails.
  for ((visit = 0; visit < 200; visit++)); do printf 'url = http://127.0.0.1:%s/\noutput = /dev/null\n' "$1"; done |
    curl --silent --fail --fail-early --max-time 60 --write-out '%{http_code}\n' --config - >"$codes" || true
  assert_equal "$(tail -n 1 "$codes")" 503
  # shellcheck disable=SC2034 # for the caller
  ACKNOWLEDGED=$(grep -cx 200 "$codes") || true
}
