# Checks that the cluster does what the tests rely on. Sourced by cluster.sh.
# shellcheck shell=bash

readonly BUSYBOX_IMAGE=localhost/web-app/busybox:1

# cluster_complete: the API responds, every node is there and Ready, and `standard` is a StorageClass.
# Sets cluster_size to the number of nodes.
cluster_complete() {
  local nodes
  [ -e "$CLUSTER_KUBECONFIG" ] && [ -x "$BUILD/tools/bin/kubectl" ] || restore_kubeconfig || return 1
  nodes=$(run_kubectl get nodes --request-timeout=10s -o \
    jsonpath='{range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}' 2>/dev/null) || return 1
  cluster_size=$(wc -l <<<"$nodes")
  [ -n "$nodes" ] && ! grep -qvx True <<<"$nodes" || return 1
  [ -n "${E2E_CONTEXT:-}" ] || [ "$(cluster_nodes | wc -l)" = "$cluster_size" ] || return 1
  run_kubectl get storageclass standard --request-timeout=10s >/dev/null 2>&1 || return 1
  [ -n "${E2E_CONTEXT:-}" ] || addons_available 10s >/dev/null 2>&1
}

# addons_available TIMEOUT: waits for cluster DNS, the network's programs on each node, and the storage provisioner.
addons_available() {
  local addons addon
  addons=$(run_kubectl -n kube-system get deployments,daemonsets -o name --request-timeout=10s) || return
  for addon in $addons; do run_kubectl -n kube-system rollout status "$addon" --timeout="$1" || return; done
  run_kubectl -n local-path-storage rollout status deployment/local-path-provisioner --timeout="$1"
}

# A check is valid for these nodes until they are started again.
nodes_identity() { cluster_nodes | xargs docker inspect --format '{{.Id}} {{.State.StartedAt}}'; }
mark_checked() { nodes_identity >"$BUILD/cluster/$CLUSTER_NAME.checked"; }
was_checked() { [ "$(cat "$BUILD/cluster/$CLUSTER_NAME.checked" 2>/dev/null)" = "$(nodes_identity)" ]; }

# For a new build directory beside a running cluster: fetches kubeconfig and kubectl from the nodes.
restore_kubeconfig() {
  [ -z "${E2E_CONTEXT:-}" ] || return 1
  cluster_tool kind
  run_kind export kubeconfig --name "$CLUSTER_NAME" --kubeconfig "$CLUSTER_KUBECONFIG" >/dev/null 2>&1 || return 1
  kubectl_for_cluster
}

nodes_as_asked() {
  local version
  [ "${CLUSTER_NODES:-$cluster_size}" = "$cluster_size" ] ||
    die "cluster $CLUSTER_NAME is up with $cluster_size nodes, not $CLUSTER_NODES; ./build.sh cluster down first, or set CLUSTER_NAME"
  [ -n "${CLUSTER_KUBERNETES:-}" ] || return 0
  version=$(run_kubectl get nodes --request-timeout=10s -o jsonpath='{.items[0].status.nodeInfo.kubeletVersion}')
  [ "$(minor_of "$version")" = "$CLUSTER_KUBERNETES" ] ||
    die "cluster $CLUSTER_NAME is up with Kubernetes $version, not $CLUSTER_KUBERNETES; ./build.sh cluster down first, or set CLUSTER_NAME"
}

wait_for_cluster() {
  run_kubectl wait --for=condition=Ready node --all --timeout=120s
  addons_available 120s
}

# load_busybox: loads the small image of the check and the tests into a cluster whose node image lacks it.
load_busybox() {
  local directory=$BUILD/cluster/busybox busybox=$BUILD/tools/busybox/bin/busybox applet
  has_image "$BUSYBOX_IMAGE" || {
    fetch_busybox
    [ -e "$busybox" ] || busybox=$BUILD/tools/busybox/usr/bin/busybox # Ubuntu's package
    rm -rf "$directory"
    mkdir -p "$directory/bin"
    cp "$busybox" "$directory/bin/"
    for applet in $("$busybox" --list); do
      [ "$applet" = busybox ] || ln -s busybox "$directory/bin/$applet"
    done
    tar -C "$directory" -c . | docker import --change 'ENV PATH=/bin' - "$BUSYBOX_IMAGE"
  }
  cluster_load "$BUSYBOX_IMAGE"
}

default_class() {
  run_kubectl get storageclass -o json | jq -r '.items[]
    | select(.metadata.annotations["storageclass.kubernetes.io/is-default-class"] == "true") | .metadata.name'
}

# from_pod POD COMMAND...: runs the command in a pod of the check's namespace.
from_pod() {
  local pod=$1
  shift
  run_kubectl -n cluster-check exec "$pod" -- "$@"
}

# The check that each pod runs, with the addresses of all pods. The requests are raw: busybox's wget fails with a numeric
# address.
# shellcheck disable=SC2016 # expanded in the pod
readonly CHECK_POD='
responds() {
  printf "GET /name HTTP/1.0\r\n\r\n" | nc -w 3 "$1" "$2" | grep -q "^HTTP/1.1 200"
}
for address in "$@"; do
  responds "$address" 8080 || { echo "no response from pod $address"; exit 1; }
done
found=$(nslookup each.cluster-check.svc.cluster.local) || { echo "no reply from DNS: $found"; exit 1; }
for address in "$@"; do
  echo "$found" | grep -qF "$address" || { echo "the headless name lacks $address: $found"; exit 1; }
done
responds any.cluster-check.svc.cluster.local 80 || { echo "no response from the service"; exit 1; }
'

check_cluster() {
  local pods addresses pod
  if [ "$(default_class)" != standard ] && [ -z "${E2E_CONTEXT:-}" ]; then
    echo "the default StorageClass is $(default_class), not standard"
    return 1
  fi
  run_kubectl delete namespace cluster-check --ignore-not-found --timeout=60s
  # The service account of a namespace is created a moment after the namespace.
  try --max 20 --delay 0.5 -- run_kubectl apply -f "$CLUSTER_DIR/check.yaml"
  run_kubectl -n cluster-check rollout status daemonset/echo --timeout=90s
  mapfile -t pods < <(run_kubectl -n cluster-check get pods -l app=echo -o name)
  read -ra addresses < <(run_kubectl -n cluster-check get pods -l app=echo -o jsonpath='{.items[*].status.podIP}{"\n"}')
  for pod in "${pods[@]}"; do
    try --max 20 -- from_pod "$pod" sh -c "$CHECK_POD" check "${addresses[@]}" || {
      echo "from $pod: not every pod, name and service can be reached"
      return 1
    }
  done
  run_kubectl -n cluster-check wait --for=condition=Ready pod/writer --timeout=90s
  from_pod writer cat /data/file
  run_kubectl delete namespace cluster-check --wait=false
}
