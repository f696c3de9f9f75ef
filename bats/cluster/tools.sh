# kind, helm and kubectl: those on PATH if their versions suit, else pinned ones. Sourced by cluster.sh.
# shellcheck shell=bash

# The lowest and highest minor version at which a tool on PATH is used. kubectl's range depends on the cluster.
# kind: 0.32 is the first whose kubeadm configuration Kubernetes 1.36 and later accept.
# helm: 3.14 is the first version that checks the chart's schema as Helm 4 does.
declare -gA TOOL_RANGE=([kind]="0.32 0.33" [helm]="3.14 4.99")

# on_path NAME: prints the path of the user's own NAME; tools that we have built do not count.
on_path() { type -aP "$1" | grep -v "^$BUILD/" | head -n 1; }

# tool_version NAME PROGRAM: prints MAJOR.MINOR, or nothing if the program prints no version.
tool_version() {
  case $1 in
    kind) "$2" version ;;
    helm) "$2" version --short ;;
    kubectl) "$2" version --client -o json | jq -r .clientVersion.gitVersion ;;
  esac 2>/dev/null | grep -oE 'v[0-9]+\.[0-9]+' | head -n 1 | tr -d v
}

# in_range VERSION LOW HIGH: all of them MAJOR.MINOR.
in_range() {
  local sorted
  [ -n "$1" ] || return 1
  sorted=$(printf '%s\n' "$2" "$1" "$3" | sort -V | tr '\n' ' ')
  [ "$sorted" = "$2 $1 $3 " ]
}

# kubectl_range VERSION: Kubernetes supports a kubectl one minor version to either side of the cluster's.
kubectl_range() {
  local major minor
  IFS=. read -r major minor _ <<<"${1#v}"
  echo "$major.$((minor - 1)) $major.$((minor + 1))"
}

# suits NAME PROGRAM: succeeds if its version is in TOOL_RANGE.
suits() {
  local low high
  read -r low high <<<"${TOOL_RANGE[$1]}"
  in_range "$(tool_version "$1" "$2")" "$low" "$high"
}

build_kubectl() { go_program kubectl "$KUBERNETES_MODULE" k8s.io/kubernetes/cmd/kubectl; }

# cluster_tool kind|helm|kubectl: makes build/tools/bin/NAME, a link to the user's own if it suits, else a pinned one.
cluster_tool() {
  local name=$1 target=$BUILD/tools/bin/$1 found
  [ "$name" != kubectl ] || : "${TOOL_RANGE[kubectl]:=$(kubectl_range "$KUBERNETES_VERSION")}"
  found=$(on_path "$name" || true)
  if [ -n "$found" ] && suits "$name" "$found"; then
    [ "$(readlink "$target" || true)" != "$found" ] || return 0
    mkdir -p "$BUILD/tools/bin"
    rm -f "$BUILD/tools/stamp/$name"
    ln -sfn "$found" "$target"
    return
  fi
  # A link to a user's tool that no longer suits must not be taken for a pinned one.
  [ ! -L "$target" ] || rm "$target"
  if [ "$name" != kubectl ]; then
    go_tool "$name"
  elif ! { [ -x "$target" ] && suits kubectl "$target"; }; then
    build_kubectl
  fi
}

# control_plane: prints the name of the node with the API server.
control_plane() { cluster_nodes | grep -- '-control-plane$' | head -n 1; }

# kubectl_for_cluster: makes the kubectl for the running cluster. Our nodes contain one of their exact version.
kubectl_for_cluster() {
  local target=$BUILD/tools/bin/kubectl node version
  if [ -n "${E2E_CONTEXT:-}" ]; then
    version=$("$target" --kubeconfig "$CLUSTER_KUBECONFIG" version -o json --request-timeout=10s | jq -r .serverVersion.gitVersion)
    TOOL_RANGE[kubectl]=$(kubectl_range "$version")
    cluster_tool kubectl
    return
  fi
  node=$(control_plane)
  version=$(docker exec "$node" cat /kind/version)
  TOOL_RANGE[kubectl]=$(kubectl_range "$version")
  if [ -z "$(on_path kubectl)" ] || ! suits kubectl "$(on_path kubectl)"; then
    [ ! -L "$target" ] || rm "$target"
    if [ ! -x "$target" ] || [ "$(tool_version kubectl "$target")" != "$(grep -oE '[0-9]+\.[0-9]+' <<<"$version" | head -n 1)" ]; then
      mkdir -p "$BUILD/tools/bin"
      docker cp -q -L "$node:/usr/bin/kubectl" "$target.new" 2>/dev/null || docker cp -L "$node:/usr/bin/kubectl" "$target.new" >/dev/null
      rm -f "$BUILD/tools/stamp/kubectl"
      mv "$target.new" "$target"
    fi
    return
  fi
  cluster_tool kubectl
}

# quick_kubectl: for tests, which start it a thousand times. That of our own nodes is a part of a larger program, and takes
# twice as long to start as one of its own.
quick_kubectl() {
  local node
  [ -z "${E2E_CONTEXT:-}" ] && [ ! -L "$BUILD/tools/bin/kubectl" ] || return 0
  node=$(control_plane)
  ! docker exec "$node" test -L /usr/bin/kubectl || build_kubectl
}
