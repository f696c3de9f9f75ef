# The words of the end-to-end tests: those that common.bash has for the program on this machine take a
# pod here. Every call goes to the cluster of build/kubeconfig, which knows no other, and to the file's own namespace.
# shellcheck shell=bash

load ../lib/common

CHART=$ROOT/chart
SELECTOR=app.kubernetes.io/name=web-app,app.kubernetes.io/instance=chart
export KUBECONFIG=${E2E_KUBECONFIG:-$BUILD/kubeconfig}

# The asserts below end in `|| return` or `&&`, because `run` and `if` switch errexit off.

kubectl() { command kubectl ${NAMESPACE:+--namespace "$NAMESPACE"} "$@" </dev/null 3>&-; }

# kubectl_apply: what comes on standard input.
kubectl_apply() { command kubectl ${NAMESPACE:+--namespace "$NAMESPACE"} apply -f - "$@" 3>&-; }

# helm takes its namespace from HELM_NAMESPACE, so that a test can say `helm install chart .`.
helm() { command helm "$@" </dev/null 3>&-; }

# start_file TOPIC [LABEL...]: for setup_file. A namespace that no other file or run has.
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

# end_test: for teardown, which is this and nothing more unless a file has its own.
end_test() {
  stop_forwards
  [ -n "${BATS_TEST_COMPLETED:-}" ] || {
    touch "$BATS_FILE_TMPDIR/failed"
    diagnose
  }
}

# diagnose: all that could explain a failure, in a directory whose path is printed.
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

# install [HELM ARGUMENT...]: the release `chart`, ready. helm's own --wait takes twice as long to notice.
install() {
  helm install chart "$CHART" "$@" >/dev/null && kubectl rollout status statefulset/chart-web-app --timeout 120s >/dev/null
}

# uninstall: the release is gone, and its pods too. Not with --cascade foreground: the StatefulSet then outlives helm's
# wait, and an install at that moment would adopt it and lose it.
uninstall() {
  helm uninstall chart --wait --timeout 120s >/dev/null
  kubectl wait --for=delete pod --selector "$SELECTOR" --timeout 60s >/dev/null
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

# volume_of POD: what must stay the same for its data to be the same: the claim's UID and the volume's name.
volume_of() {
  kubectl get "$(claim_of "$1")" -o jsonpath='{.metadata.uid} {.spec.volumeName} {.status.phase}'
}

# visit POD [COUNT]: visits the pod, through the API server, which is a way that every cluster has. Fails unless the
# status is 200.
visit() {
  local count
  for ((count = 0; count < ${2:-1}; count++)); do
    kubectl get --raw "/api/v1/namespaces/$NAMESPACE/pods/$1:8080/proxy/" >/dev/null || return
  done
}

# visits POD: its visits file, byte for byte.
visits() { kubectl exec "$1" -- web-app visits --raw; }

count_visits() { visits "$1" | wc -l; }

# admin POD PATH: what the admin port answers, ready or not.
admin() { kubectl get --raw "/api/v1/namespaces/$NAMESPACE/pods/$1:8081/proxy$2"; }

# metric POD NAME [LABEL]: the sum of a metric over its labels, or over those series that have the label.
metric() {
  admin "$1" /metrics | awk -v name="$2" -v label="${3:-}" '
    { series = $1; sub(/[{].*/, "", series) }
    series == name && index($1, label) { sum += $2 }
    END { printf "%d\n", sum }'
}

# assert_visits POD COUNT: as many lines as that, each a whole time, none earlier than the one before,
# and nothing after the last newline.
assert_visits() {
  local file=$BATS_TEST_TMPDIR/$1.visits
  visits "$1" >"$file"
  assert_equal "$1: $(wc -l <"$file") visits" "$1: $2 visits" && assert_visits_whole "$file"
}

# assert_visits_whole FILE: what assert_visits says of the lines, whatever their number.
assert_visits_whole() {
  if [ -s "$1" ] && [ "$(tail -c 1 "$1" | od -An -tx1)" != ' 0a' ]; then
    fail "$1 does not end in a newline"
  elif grep -nvxE "$TIMESTAMP_SHAPE" "$1"; then
    fail "these lines of $1 are no times"
  elif ! LC_ALL=C sort -c "$1"; then
    fail "the times in $1 go back"
  fi
}

# assert_continues OLD NEW LINES: the file OLD is how NEW begins, and NEW has that many lines.
assert_continues() {
  cmp -n "$(stat -c %s "$1")" "$1" "$2" || fail "$2 does not begin with what was in $1" || return
  assert_equal "$(wc -l <"$2") lines" "$3 lines" && assert_visits_whole "$2"
}

# remember POD: what it is now, for assert_survived.
remember() {
  visits "$1" >"$BATS_TEST_TMPDIR/$1.before"
  volume_of "$1" >"$BATS_TEST_TMPDIR/$1.volume"
  remember_uid "$1"
}

# remember_uid POD: all that wait_replaced needs, also of a pod that has no visits file.
remember_uid() { uid "pod/$1" >"$BATS_TEST_TMPDIR/$1.uid"; }

# assert_survived POD [SINCE]: the volume and the visits are those that `remember` saw, and SINCE more.
assert_survived() {
  local before=$BATS_TEST_TMPDIR/$1.before
  assert_equal "$(volume_of "$1")" "$(cat "$BATS_TEST_TMPDIR/$1.volume")" || return
  visits "$1" >"$BATS_TEST_TMPDIR/$1.after"
  assert_continues "$before" "$BATS_TEST_TMPDIR/$1.after" $(($(wc -l <"$before") + ${2:-0}))
}

# assert_replaced POD: it is another pod than the one that `remember` saw.
assert_replaced() {
  assert [ "$(uid "pod/$1")" != "$(cat "$BATS_TEST_TMPDIR/$1.uid")" ]
}

# wait_replaced POD: a pod of that name, but not the one that `remember` saw, is ready. The old one may still
# be there, and ready, for a moment.
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

# forward TARGET PORT [ARGUMENT...]: forwards a free port of the loopback to it, until the test ends; $FORWARD
# is the port. A second one may run beside it.
forward() {
  local target=$1 port=$2 log=$BATS_TEST_TMPDIR/forward.$RANDOM
  command kubectl --namespace "$NAMESPACE" port-forward "$target" ":$port" >"$log" 2>&1 </dev/null 3>&- &
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

# requires_nodes: the tests that lay hands on a node need it to be a container of this machine, as kind's and
# minikube's are.
requires_nodes() {
  local node
  node=$(kubectl get nodes -o jsonpath='{.items[0].metadata.name}')
  docker exec "$node" true </dev/null 3>&- 2>/dev/null && return
  skip_or_fail "node $node is no container of this machine"
}

# on_node NODE COMMAND...: standard input goes to the command.
on_node() {
  local node=$1
  shift
  docker exec -i "$node" "$@" 3>&-
}

# in_cluster COMMAND...: where the Services' addresses are reachable.
in_cluster() {
  local node
  node=$(kubectl get nodes -o jsonpath='{.items[0].metadata.name}')
  on_node "$node" "$@"
}

# crash POD: kill -9 of its process, from the node, since a pod cannot kill its own first process.
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
# connection for each visit, `kept` uses one for as long as the server keeps it.
visitors_start() {
  in_cluster bash -s -- "/tmp/$NAMESPACE.$1.stop" "$2" "$3" "$4" <"$ROOT/bats/tools/visitors.sh" >"$BATS_TEST_TMPDIR/$1.responses" 2>"$BATS_TEST_TMPDIR/$1.errors" 3>&- &
  VISITORS+=("$1:$!")
  try --max 50 --delay 0.2 -- grep -q ' 200$' "$BATS_TEST_TMPDIR/$1.responses"
}

# visitors_stop: ends them all. Their answers, one a line as `JSON STATUS`, are then in $RESPONSES.
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
  ! grep -v ' 200$' "$1" || fail "these of $(wc -l <"$1") visits were not answered with 200"
}

# assert_pod_recorded FILE POD: the pod's file holds, under each number that a visitor was told, the time that the visitor was
# told.
assert_pod_recorded() {
  local lost told=$BATS_TEST_TMPDIR/$2.told file=$BATS_TEST_TMPDIR/$2.visits
  visits "$2" >"$file"
  assert_visits_whole "$file" || return
  sed 's/ [0-9]*$//' "$1" | jq -r --arg pod "$2" 'select(.pod == $pod) | "\(.visit)\t\(.time)"' | LC_ALL=C sort >"$told"
  lost=$(cat -n "$file" | sed 's/^ *//' | LC_ALL=C sort | LC_ALL=C comm -23 "$told" -)
  [ -z "$lost" ] || fail "$2 told visitors what is not in its file: $lost"
}

# assert_responses_recorded FILE BEFORE: what assert_pod_recorded says of each pod, and that all pods' files have grown from
# BEFORE lines by as many as there were answers.
assert_responses_recorded() {
  local pod lines=0
  for pod in chart-web-app-{0,1,2}; do
    assert_pod_recorded "$1" "$pod" || return
    lines=$((lines + $(wc -l <"$BATS_TEST_TMPDIR/$pod.visits")))
  done
  assert_equal "$((lines - $2)) more lines" "$(wc -l <"$1") more lines"
}

# count_all_visits: the lines of all three pods' files.
count_all_visits() {
  local pod
  for pod in chart-web-app-{0,1,2}; do visits "$pod"; done | wc -l
}
