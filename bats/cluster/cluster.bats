# The real cluster on which the end-to-end tests run, with several nodes; and a second one with a single node and another
# name, which is interrupted, repaired and taken down.

load ../lib/common

kubectl() { limited kubectl --kubeconfig "$E2E_KUBECONFIG" --namespace "$NAMESPACE" "$@"; }

cluster() { "$ROOT/build.sh" cluster "$@" </dev/null 3>&- 4>&-; }

# For the second cluster. No test here may change the user's configuration.
second() { KUBECONFIG=$BATS_FILE_TMPDIR/users-own CLUSTER_NAME=web-app-second CLUSTER_NODES=1 E2E_CONTEXT='' cluster "$@"; }

second_nodes() { docker ps --all --quiet --filter label=io.x-k8s.kind.cluster=web-app-second; }

setup_file() {
  export NAMESPACE=cluster-$RANDOM
  kubectl create namespace "$NAMESPACE"
}

teardown_file() {
  kubectl delete namespace "$NAMESPACE" --ignore-not-found --timeout=120s || true
}

teardown() {
  [ "$BATS_TEST_COMPLETED" = 1 ] || {
    kubectl get pods,pvc,events --output wide || true
  } >&2
}

# keeper POLICY READY: applies the StatefulSet, with a readiness command that always or never succeeds.
keeper() {
  sed "s/@POLICY@/$1/; s/@READY@/$2/" "$ROOT/bats/cluster/statefulset.yaml" | kubectl apply -f -
}

keeper_ready() {
  keeper Parallel true
  kubectl rollout status statefulset/keeper --timeout=90s
}

remove_keeper() {
  kubectl delete statefulset/keeper service/each service/any --timeout=60s
  kubectl delete pvc --all --timeout=60s
}

# running: prints the names of pods whose container has started, for which their claim must be bound.
running() { kubectl get pods -l app=keeper -o json | jq -r '.items[] | select(.status.containerStatuses[0].state.running) | .metadata.name'; }

have_running() { assert_equal "$(running | tr '\n' ' ')" "$* "; }

have_no_pods() { assert_equal "$(kubectl get pods -o name)" ''; }

bound_claims() { kubectl get pvc -o json | jq -r '.items[] | select(.status.phase == "Bound") | .metadata.name' | tr '\n' ' '; }

# request POD HOST PORT: prints the page /name of HOST, requested from inside the pod.
request() {
  # shellcheck disable=SC2016 # the pod expands it
  kubectl exec "$1" -- sh -c 'printf "GET /name HTTP/1.0\r\n\r\n" | nc -w 3 "$1" "$2"' sh "$2" "$3" | tail -n 1
}

@test "every node is Ready and of the pinned version, and kubectl is within one minor of it" {
  local versions client
  versions=$(kubectl get nodes -o json | jq -r '.items[] | [.status.nodeInfo.kubeletVersion,
    (.status.conditions[] | select(.type == "Ready").status)] | join(" ")' | sort -u)
  assert_equal "$(wc -l <<<"$versions")" 1
  assert_regex "$versions" '^v1\.[0-9]+\.[0-9]+ True$'
  client=$(kubectl version -o json | jq -r '[.clientVersion.minor, .serverVersion.minor] | map(gsub("[^0-9]"; "") | tonumber) | .[0] - .[1]')
  assert_regex "$client" '^(-1|0|1)$'
}

@test "kind's usual node image is pinned as its module names it" {
  local module
  module=$(cd "$ROOT/third_party/go/kind" && GOFLAGS=-mod=readonly GOWORK=off go mod download -json sigs.k8s.io/kind | jq -r .Dir)
  run -0 sed -n 's/^const Image = "\(.*\)"$/\1/p' "$module/pkg/apis/config/defaults/image.go"
  assert_output "$(cat "$ROOT/third_party/go/kind/node-image")"
}

@test "the StorageClass standard exists and is the only default" {
  [ -z "${E2E_CONTEXT:-}" ] || skip "the StorageClasses of $E2E_CONTEXT are its owner's"
  run -0 kubectl get storageclass -o json
  assert_equal "$(jq -r '.items[] | select(.metadata.annotations["storageclass.kubernetes.io/is-default-class"] == "true") | .metadata.name' \
    <<<"$output")" standard
}

@test "a second up leaves the cluster as it is" {
  local before
  before=$(kubectl get nodes -o jsonpath='{.items[*].metadata.uid}')
  cluster up
  assert_equal "$(kubectl get nodes -o jsonpath='{.items[*].metadata.uid}')" "$before"
}

@test "pods of a StatefulSet that never become ready all start, each with its claim" {
  keeper Parallel false
  try --max 60 -- have_running keeper-0 keeper-1 keeper-2
  assert_equal "$(bound_claims)" 'data-keeper-0 data-keeper-1 data-keeper-2 '
  remove_keeper
}

@test "control: with OrderedReady only the first of these pods starts" {
  keeper OrderedReady false
  try --max 60 -- have_running keeper-0
  # The second pod is not created because the first one's readiness probe has run and failed.
  kubectl wait --for=condition=Ready=false pod/keeper-0 --timeout=30s
  assert_equal "$(kubectl get pods -o name)" pod/keeper-0
  remove_keeper
}

# resolves POD ADDRESS: in the pod, the addresses of the headless name include this one.
resolves() { kubectl exec "$1" -- nslookup "each.$NAMESPACE.svc.cluster.local" | grep -xF "Address: $2"; }

@test "a headless name resolves to every pod, each pod has its own, and each node reaches all" {
  local nodes from to
  keeper_ready
  nodes=$(kubectl get pods -l app=keeper -o json | jq -r '.items[].spec.nodeName' | sort -u | wc -l)
  [ "$(kubectl get nodes -o name | wc -l)" = 1 ] || assert [ "$nodes" -gt 1 ]
  for from in 0 1 2; do
    for to in 0 1 2; do
      try -- resolves "keeper-$from" "$(kubectl get pod "keeper-$to" -o jsonpath='{.status.podIP}')"
      assert_equal "$(request "keeper-$from" "keeper-$to.each.$NAMESPACE.svc.cluster.local" 8080)" "keeper-$to"
    done
  done
}

@test "a Service responds by its name, from more than one pod" {
  local responses
  keeper_ready
  responses=$(for _ in {1..20}; do request keeper-0 "any.$NAMESPACE.svc.cluster.local" 80; done | sort -u)
  assert_regex "$responses" '^keeper-[012]'
  assert [ "$(wc -l <<<"$responses")" -gt 1 ]
}

@test "a Service without endpoints refuses connections, and no request to it leaves the cluster" {
  local address
  keeper_ready
  kubectl create service clusterip nobody --tcp=80
  address=$(kubectl get service nobody -o jsonpath='{.spec.clusterIP}')
  # shellcheck disable=SC2016 # the pod expands it
  run kubectl exec keeper-0 -- sh -c 'nc -w 5 "$1" 80 </dev/null' sh "$address"
  assert_failure
  assert_output --partial 'Connection refused'
}

# isolate: the pod keeper-0 may be reached from keeper-1 alone, and keeper-1 may open no other connection.
isolate() {
  kubectl apply -f - <<'END'
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: to-first}
spec:
  podSelector: {matchLabels: {statefulset.kubernetes.io/pod-name: keeper-0}}
  policyTypes: [Ingress]
  ingress: [{from: [{podSelector: {matchLabels: {statefulset.kubernetes.io/pod-name: keeper-1}}}]}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: from-second}
spec:
  podSelector: {matchLabels: {statefulset.kubernetes.io/pod-name: keeper-1}}
  policyTypes: [Egress]
  egress: [{to: [{podSelector: {matchLabels: {statefulset.kubernetes.io/pod-name: keeper-0}}}]}]
END
}

# reach FROM TO...: the pod keeper-FROM reaches exactly these, by address.
reach() {
  local from=$1 to reached=''
  shift
  for to in 0 1 2; do
    [ "$(request "keeper-$from" "$(kubectl get pod "keeper-$to" -o jsonpath='{.status.podIP}')" 8080)" != "keeper-$to" ] || reached+="$to "
  done
  assert_equal "$reached" "$(printf '%s ' "$@")"
}

@test "a NetworkPolicy is enforced on every node, in both directions; control: without it every pod reaches every other" {
  [ -z "${E2E_CONTEXT:-}" ] || skip "the network of $E2E_CONTEXT is its owner's"
  local from
  keeper_ready
  for from in 0 1 2; do reach "$from" 0 1 2; done
  isolate
  # A pod may always reach itself.
  try --max 30 -- reach 0 0 1 2
  try --max 30 -- reach 1 0 1
  try --max 30 -- reach 2 1 2
  kubectl delete networkpolicy --all
  for from in 0 1 2; do try --max 30 -- reach "$from" 0 1 2; done
}

@test "a claim keeps its directory when its pod is created again" {
  local before volume lines
  keeper_ready
  lines=$(kubectl exec keeper-1 -- cat /data/name | wc -l)
  before=$(kubectl get pod keeper-1 -o jsonpath='{.metadata.uid}')
  volume=$(kubectl get pvc data-keeper-1 -o jsonpath='{.spec.volumeName}')
  kubectl delete pod keeper-1 --timeout=60s
  is_another() {
    local uid
    uid=$(kubectl get pod keeper-1 -o jsonpath='{.metadata.uid}') && [ "$uid" != "$before" ]
  }
  try --max 60 -- is_another
  kubectl wait --for=condition=Ready pod/keeper-1 --timeout=60s
  assert_equal "$(kubectl exec keeper-1 -- cat /data/name | wc -l)" $((lines + 1))
  assert_equal "$(kubectl get pvc data-keeper-1 -o jsonpath='{.spec.volumeName}')" "$volume"
  remove_keeper
}

@test "cluster_load puts an image of this machine's Docker on every node" {
  [ -z "${E2E_CONTEXT:-}" ] || skip "what $E2E_CONTEXT has loaded cannot be seen from here"
  local image=localhost/web-app/load-test:$RANDOM node
  echo "$image" >"$BATS_TEST_TMPDIR/file"
  tar -C "$BATS_TEST_TMPDIR" -cf "$BATS_TEST_TMPDIR/image.tar" file
  docker import "$BATS_TEST_TMPDIR/image.tar" "$image"
  run -0 cluster load "$image"
  docker rmi "$image"
  for node in $(kubectl get nodes -o jsonpath='{.items[*].metadata.name}'); do
    run -0 docker exec "$node" ctr -n k8s.io images list -q
    assert_line "$image"
  done
}

@test "cluster logs saves the journal of every node" {
  [ -z "${E2E_CONTEXT:-}" ] || skip "the logs of $E2E_CONTEXT are its owner's"
  local node
  cluster logs "$BATS_TEST_TMPDIR/logs"
  for node in $(kubectl get nodes -o jsonpath='{.items[*].metadata.name}'); do
    assert_file_not_empty "$BATS_TEST_TMPDIR/logs/$node/journal.log"
  done
}

@test "a restarted node rejoins the network" {
  local node
  [ -z "${E2E_CONTEXT:-}" ] || skip "the nodes of $E2E_CONTEXT are its owner's"
  keeper_ready
  # The last node by name is a worker, if there is one, so that the API stays up.
  node=$(kubectl get pods -l app=keeper -o json | jq -r '.items[].spec.nodeName' | sort | tail -n 1)
  docker restart "$node"
  try --max 30 -- kubectl wait --for=condition=Ready "node/$node" --timeout=5s
  reaches_all() {
    local from to
    for from in 0 1 2; do
      for to in 0 1 2; do
        [ "$(request "keeper-$from" "keeper-$to.each.$NAMESPACE.svc.cluster.local" 8080)" = "keeper-$to" ] || return 1
      done
    done
  }
  try --max 60 -- reaches_all
}

@test "an interrupted up can be run again" {
  echo untouched >"$BATS_FILE_TMPDIR/users-own"
  second_nodes_exist() { [ -n "$(second_nodes)" ]; }
  # A process group of its own, so that all of it can be killed.
  set -m
  second up >"$BATS_TEST_TMPDIR/first" 2>&1 &
  local group=$!
  set +m
  try --max 600 --delay 0.1 -- second_nodes_exist
  kill -KILL -- "-$group"
  wait "$group" || true
  run second status
  assert_failure
  second up
  second status
}

@test "down leaves no container, network, volume or configuration behind, and does not change the user's configuration" {
  local volumes network=kind-web-app-second volume
  second up
  volumes=$(second_nodes | xargs timeout 60 docker inspect --format '{{range .Mounts}}{{if eq .Type "volume"}}{{.Name}} {{end}}{{end}}')
  assert [ -n "$volumes" ]
  docker network inspect "$network" >/dev/null
  second down
  assert_equal "$(second_nodes)" ''
  run ! docker network inspect "$network"
  for volume in $volumes; do run ! docker volume inspect "$volume"; done
  assert_not_exist "$BUILD/kubeconfig-web-app-second"
  assert_equal "$(cat "$BATS_FILE_TMPDIR/users-own")" untouched
  kubectl get nodes
  # A second down has nothing to do.
  run -0 second down
  assert_output --partial 'there is no cluster web-app-second'
}
