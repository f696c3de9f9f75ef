# A release of 1,000 replicas on nodes that kwok simulates. No container runs there, but the API server, the controllers,
# the scheduler and Helm do all their work. Runs with LONG=1, or by its name, and prints the figures of chart/README.md.

load ../lib/cluster

NODES=20 REPLICAS=1000

setup_file() {
  start_file scale
  local stages stage
  # What becomes of nodes and pods is in files of the module.
  stages=$(cd "$ROOT/third_party/go/kwok" && limited go list -m -f '{{.Dir}}' sigs.k8s.io/kwok)/kustomize/stage
  local options=(--kubeconfig "$KUBECONFIG" --cidr 10.99.0.0/16 --node-lease-duration-seconds 40
    "--manage-nodes-with-label-selector=web-app-test=$NAMESPACE")
  for stage in node/fast/node-initialize pod/fast/pod-ready pod/fast/pod-delete; do options+=(--config "$stages/$stage.yaml"); done
  kwok "${options[@]}" >"$BATS_FILE_TMPDIR/kwok.log" 2>&1 </dev/null 3>&- &
  echo $! >"$BATS_FILE_TMPDIR/kwok.pid"
  { nodes && volumes; } | limited kubectl apply --server-side -f - 3>&- >/dev/null
  kubectl wait --for=condition=Ready node --selector "web-app-test=$NAMESPACE" --timeout 60s >/dev/null || fail "$(cat "$BATS_FILE_TMPDIR/kwok.log")"
}

# While the pods end, their nodes must be there.
teardown_file() {
  kubectl delete namespace "$NAMESPACE" --timeout 280s >/dev/null || true
  kubectl delete node,persistentvolume,storageclass --selector "web-app-test=$NAMESPACE" --wait=false >/dev/null
  kill "$(cat "$BATS_FILE_TMPDIR/kwok.pid")"
}

nodes() {
  local node
  for ((node = 0; node < NODES; node++)); do
    cat <<NODE
---
apiVersion: v1
kind: Node
metadata: {name: $NAMESPACE-$node, labels: {web-app-test: $NAMESPACE, kubernetes.io/hostname: $NAMESPACE-$node}}
spec: {taints: [{key: web-app-test, effect: NoSchedule}]}
status:
  capacity: &node {cpu: 64, memory: 256Gi, ephemeral-storage: 256Gi, pods: 110}
  allocatable: *node
NODE
  done
}

# volumes: a storage class, and volumes for all claims: no provisioner is measured here.
volumes() {
  local volume
  cat <<CLASS
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: $NAMESPACE, labels: {web-app-test: $NAMESPACE}}
provisioner: kubernetes.io/no-provisioner
CLASS
  for ((volume = 0; volume < REPLICAS + 100; volume++)); do
    cat <<VOLUME
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: $NAMESPACE-$volume, labels: {web-app-test: $NAMESPACE}}
spec:
  capacity: {storage: 100Mi}
  accessModes: [ReadWriteOnce]
  storageClassName: $NAMESPACE
  hostPath: {path: /var/empty}
VOLUME
  done
}

# install_simulated NAME REPLICAS [HELM ARGUMENT...]: installs a release on these nodes; does not wait.
install_simulated() {
  helm install "$1" "$CHART" --set "replicaCount=$2,preStopSleepSeconds=0,persistence.storageClass=$NAMESPACE" \
    --set "nodeSelector.web-app-test=$NAMESPACE,tolerations[0].key=web-app-test,tolerations[0].operator=Exists" "${@:3}" >/dev/null
}

# pods_of NAME FILTER: prints the output of the jq filter for the list of a release's pods.
pods_of() { kubectl get pods --selector "app.kubernetes.io/instance=$1" -o json | jq -r ".items | $2"; }

# seconds_between FIRST LAST FILTERS: of jq, for times of pods.
BETWEEN='def created: .metadata.creationTimestamp | fromdate;
  def scheduled: .status.conditions[] | select(.type == "PodScheduled").lastTransitionTime | fromdate;'

# slices_of NAME FILTER: the same for the EndpointSlices of its Service.
slices_of() { kubectl get endpointslices --selector "kubernetes.io/service-name=$1-web-app" -o json | jq -r ".items | $2"; }

all_created() { [ "$(pods_of "$1" length)" = "$2" ]; }

all_ready() { [ "$(kubectl get statefulset "$1-web-app" -o jsonpath='{.status.readyReplicas}')" = "$2" ]; }

all_bound() { [ "$(kubectl get pvc --selector "app.kubernetes.io/instance=$1" -o json | jq '[.items[] | select(.status.phase == "Bound")] | length')" = "$2" ]; }

figure() { printf '# %s\n' "$*" >&3; }

@test "1,000 replicas and their claims are created, spread evenly, become ready and are in the Service" {
  local since=$SECONDS size
  install_simulated chart $REPLICAS
  try --max 600 --delay 1 -- all_created chart $REPLICAS
  figure "Parallel: $REPLICAS pods exist after $((SECONDS - since)) s"
  try --max 900 --delay 1 -- all_ready chart $REPLICAS
  figure "Parallel: all are ready after $((SECONDS - since)) s, at most $(most_on_a_node) on a node"
  assert [ "$(most_on_a_node)" -le $((REPLICAS * 11 / NODES / 10)) ]
  all_bound chart $REPLICAS
  # Kubernetes limits a Secret to 1 MiB, and Helm keeps a release in one.
  size=$(kubectl get secret --selector owner=helm,name=chart -o jsonpath='{.items[0].data.release}' | wc -c)
  figure "Helm's release: $size bytes"
  assert [ "$size" -lt 1048576 ]
  in_slices() { [ "$(slices_of chart '[.[].endpoints[]?.targetRef.name] | unique | length')" = $REPLICAS ]; }
  try --max 120 --delay 1 -- in_slices
  figure "EndpointSlices of the Service: $(slices_of chart '"\(length), the largest of \(map(tojson | length) | max) bytes"')"
}

most_on_a_node() { pods_of chart 'group_by(.spec.nodeName) | map(length) | max'; }

# scheduling HOW [HELM ARGUMENT...]: prints what the scheduler needs for 1,000 pods that wait for a node, whose claims are
# bound: an earlier release had them. The nodes come one after the other, so the first ones get more pods.
scheduling() {
  kubectl cordon --selector "web-app-test=$NAMESPACE" >/dev/null
  install_simulated chart $REPLICAS "${@:2}"
  try --max 600 --delay 1 -- all_created chart $REPLICAS
  kubectl uncordon --selector "web-app-test=$NAMESPACE" >/dev/null
  try --max 600 --delay 1 -- all_ready chart $REPLICAS
  figure "$1: the scheduler places $REPLICAS pods in $(pods_of chart "$BETWEEN map(scheduled) | max - min + 1") s, at most $(most_on_a_node) on a node"
  remove chart
}

remove() {
  helm uninstall "$1" >/dev/null
  kubectl wait --for=delete pod --selector "app.kubernetes.io/instance=$1" --timeout 280s >/dev/null
}

@test "the scheduler places 1,000 waiting pods with the default rules, and without" {
  remove chart
  scheduling "with the default rules"
  # Rules that match no pod are the way to have none: an empty value stands for the default ones.
  scheduling "without rules" --set 'topologySpreadConstraints[0].maxSkew=1,topologySpreadConstraints[0].whenUnsatisfiable=ScheduleAnyway' \
    --set 'topologySpreadConstraints[0].topologyKey=kubernetes.io/hostname,topologySpreadConstraints[0].labelSelector.matchLabels.none=none' \
    --set 'affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution=null'
}

@test "control: with OrderedReady the pods come one after the other" {
  install_simulated ordered 100 --set podManagementPolicy=OrderedReady
  try --max 280 --delay 1 -- all_ready ordered 100
  figure "OrderedReady: 100 pods come in $(pods_of ordered "$BETWEEN map(created) | max - min + 1") s"
  # Each one is created after the one before was ready, by the seconds of the API server.
  run pods_of ordered 'sort_by(.metadata.labels["apps.kubernetes.io/pod-index"] | tonumber)
    | [.[1:], .[:-1]] | transpose[]
    | select((.[0].metadata.creationTimestamp | fromdate) < (.[1].status.conditions[] | select(.type == "Ready").lastTransitionTime | fromdate))
    | .[0].metadata.name'
  assert_output ""
  remove ordered
}
