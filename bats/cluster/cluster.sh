# A real Kubernetes cluster for the tests: up, down, status, load, logs, image. Sourced by build.sh; see README.md in this
# directory.
# shellcheck shell=bash

# Several verbs may source this file in one run.
! declare -F cluster_main >/dev/null || return 0

CLUSTER_DIR=$ROOT/bats/cluster
# shellcheck source=third_party/go/build.sh
source "$ROOT/third_party/go/build.sh"
# shellcheck source=bats/lib/try.bash
source "$CLUSTER_DIR/../lib/try.bash"
# shellcheck source=bats/cluster/tools.sh
source "$CLUSTER_DIR/tools.sh"
# shellcheck source=bats/cluster/node-image.sh
source "$CLUSTER_DIR/node-image.sh"
# shellcheck source=bats/cluster/preflight.sh
source "$CLUSTER_DIR/preflight.sh"
# shellcheck source=bats/cluster/check.sh
source "$CLUSTER_DIR/check.sh"

CLUSTER_NAME=${CLUSTER_NAME:-web-app}
# The tests have their own kubeconfig: the user's is read for E2E_CONTEXT and never written.
CLUSTER_KUBECONFIG=$BUILD/kubeconfig
[ "$CLUSTER_NAME" = web-app ] || CLUSTER_KUBECONFIG=$BUILD/kubeconfig-$CLUSTER_NAME
# A network of its own, so that `down` can remove it and kind's default network stays unchanged.
CLUSTER_NETWORK=kind-$CLUSTER_NAME
# The nodes are marked as ours by a mount at this path: it exists from a container's start, and after a restart.
CLUSTER_MARK=/kind/web-app

# run_kubectl: kubectl on the cluster of the tests, whatever else is configured.
run_kubectl() { "$BUILD/tools/bin/kubectl" --kubeconfig "$CLUSTER_KUBECONFIG" "$@"; }

# run_kind: kind, without the settings that could make it behave differently on another machine.
run_kind() {
  local path=$PATH settings=()
  : "${CLUSTER_RESTRICTED:=$(nodes_restricted)}"
  [ "$CLUSTER_RESTRICTED" != yes ] || path=$CLUSTER_DIR/shim:$PATH
  # If Docker uses fuse-overlayfs, kind would use it in the nodes too. They need not: their /var is on a real file system.
  [ "$(docker info --format '{{.Driver}}')" != fuse-overlayfs ] ||
    settings+=(KIND_EXPERIMENTAL_CONTAINERD_SNAPSHOTTER=overlayfs)
  env PATH="$path" WEB_APP_REAL_DOCKER="$(type -P docker)" KIND_EXPERIMENTAL_PROVIDER=docker \
    KIND_EXPERIMENTAL_DOCKER_NETWORK="$CLUSTER_NETWORK" "${settings[@]}" "$BUILD/tools/bin/kind" "$@"
}

# cluster_nodes: prints the names of the nodes' containers, running or not.
cluster_nodes() {
  docker ps --all --filter "label=io.x-k8s.kind.cluster=$CLUSTER_NAME" --format '{{.Names}}' | sort
}

# nodes_restricted: prints yes or no: whether the existing nodes run without --privileged.
nodes_restricted() {
  local node
  node=$(cluster_nodes | head -n 1)
  if [ -n "$node" ] && [ "$(docker inspect --format '{{.HostConfig.Privileged}}' "$node")" = false ]; then
    echo yes
  else
    echo no
  fi
}

# node_marks: prints the directories that the nodes are marked with, one a line. Fails while Docker is still creating or
# removing a node that it lists, which can last for a moment after a run was killed.
node_marks() {
  local nodes
  mapfile -t nodes < <(cluster_nodes)
  [ ${#nodes[@]} = 0 ] ||
    docker inspect --format "{{range .Mounts}}{{if eq .Destination \"$CLUSTER_MARK\"}}{{.Source}}{{end}}{{end}}" "${nodes[@]}"
}

# cluster_owner: prints the checkout that made the cluster of this name, `none` without a cluster, `stranger` if no
# checkout of this project made it.
cluster_owner() {
  local marks
  marks=$(try --max 40 --delay 0.5 -- node_marks)
  if [ -z "$(cluster_nodes)" ]; then
    echo none
  else
    marks=$(grep . <<<"$marks" | sort -u | head -n 1 || true)
    echo "${marks:-stranger}"
  fi
}

# own_or_die VERB: dies if this checkout did not make the existing cluster.
own_or_die() {
  local owner
  owner=$(cluster_owner)
  case $owner in
    none | "$CLUSTER_DIR") ;;
    stranger) die "a kind cluster $CLUSTER_NAME exists that web-app did not make; choose a name for ours: CLUSTER_NAME=web-app-2 ./build.sh cluster $1" ;;
    *) die "cluster $CLUSTER_NAME belongs to ${owner%/bats/cluster}; take it down there, or choose a name: CLUSTER_NAME=web-app-2 ./build.sh cluster $1" ;;
  esac
}

# take_lock WHAT: takes the lock, and waits while another run of this checkout has it. It is held until drop_locks or the
# end. Sets $lock to its descriptor.
LOCKS=()
take_lock() {
  mkdir -p "$BUILD/cluster"
  exec {lock}>"$BUILD/cluster/$1.lock"
  flock -n "$lock" || {
    say "another run works on the $1; waiting for it"
    flock "$lock"
  }
  LOCKS+=("$lock")
}

# drop_locks: releases the locks: the script that sourced this file may run on, and start another `cluster up`.
drop_locks() {
  local lock
  for lock in "${LOCKS[@]}"; do exec {lock}>&-; done
  LOCKS=()
}

# The plan: the stages with the seconds that each takes on two cores, so that each stage can print the time left.
PLAN=()
plan() { PLAN+=("$1 $2"); }

minutes() { if [ "$1" -lt 60 ]; then echo "$1 s"; else echo "$((($1 + 30) / 60)) min"; fi; }

seconds_left() {
  local sum=0 entry
  for entry in "${PLAN[@]:$((stage_number - 1))}"; do sum=$((sum + ${entry%% *})); done
  echo "$sum"
}

show_plan() {
  local entry
  stage_number=1
  say "to do, at most about $(minutes "$(seconds_left)") on two cores:"
  for entry in "${PLAN[@]}"; do say "  ${entry#* } ($(minutes "${entry%% *}"))"; done
}

# stage COMMAND...: runs COMMAND as the next stage of the plan.
stage() {
  local what=${PLAN[stage_number - 1]#* } left
  left=$(minutes "$(seconds_left)")
  step "[$stage_number/${#PLAN[@]}, about $left left] $what" "$@"
  stage_number=$((stage_number + 1))
}

# choose_node_image: sets image_name, and image_kind to usual or own. An image that Docker has is used without asking the
# registry; otherwise only the registry knows whether the usual image can be pulled.
choose_node_image() {
  local usual
  usual=$(cat "$ROOT/third_party/go/kind/node-image")
  image_kind=own image_name=$(node_image)
  if [ "$KUBERNETES_MODULE" != kubernetes ]; then
    [ "${CLUSTER_NODE_IMAGE:-own}" = own ] ||
      die "kind's usual node image has no Kubernetes $CLUSTER_KUBERNETES; unset CLUSTER_NODE_IMAGE or CLUSTER_KUBERNETES"
    return
  fi
  case ${CLUSTER_NODE_IMAGE:-} in
    own) return ;;
    usual) ;;
    '')
      # The systemd of the usual image refuses cgroup v1.
      if [ "$(docker info --format '{{.CgroupVersion}}')" = 1 ]; then
        return
      elif has_image "$usual"; then
        :
      elif has_image "$image_name" || ! timeout 10 docker manifest inspect "$usual" >/dev/null 2>&1 </dev/null; then
        return
      fi
      ;;
    *) die "CLUSTER_NODE_IMAGE is own or usual, not $CLUSTER_NODE_IMAGE" ;;
  esac
  image_kind=usual image_name=$usual
}

# If the pull fails although the registry has the image, the node image is our own.
pull_usual_image() {
  [ "$image_kind" = usual ] || return 0
  if ! has_image "$image_name"; then
    say "pulling $image_name"
    timeout 900 docker pull -q "$image_name" >&2 || {
      image_kind=own image_name=$(node_image)
      say "the pull failed; making a node image of our own"
      return
    }
  fi
  detect_restricted
  if [ "$CLUSTER_RESTRICTED" = yes ]; then
    # Its entrypoint needs --privileged.
    image_kind=own image_name=$(node_image)
  fi
}

# detect_restricted: sets CLUSTER_RESTRICTED. It tries the privileges of a node, with the node's image.
detect_restricted() {
  local output
  CLUSTER_RESTRICTED=no
  output=$(docker run --rm --privileged --network none --entrypoint /bin/true "$image_name" 2>&1) && return
  case $output in
    *'unable to apply caps'*)
      CLUSTER_RESTRICTED=yes
      say "this host withholds CAP_SYS_RESOURCE: nodes run with every other capability instead of --privileged"
      ;;
    *) die "docker run --privileged does not work here: $(tail -n 1 <<<"$output")" ;;
  esac
}

# plan_image: takes a lock until build_image_stages is done, because clusters of other names need the same image.
plan_image() {
  ! has_image "$(node_image)" || return 0
  take_lock "node image"
  image_lock=$lock
  ! has_image "$(node_image)" || return 0
  has_image "$(node_base)" || {
    start_base
    plan_base=yes
  }
  plan 400 "compile Kubernetes $KUBERNETES_VERSION"
  plan 30 "compile etcd, CoreDNS, kube-router and the storage provisioner"
  [ "${plan_base:-}" != yes ] || plan 10 "Debian for the nodes, fetched meanwhile"
  plan 25 "assemble the node image"
}

build_image_stages() {
  ! has_image "$(node_image)" || return 0
  stage make_kubernetes
  stage make_others
  [ "${plan_base:-}" != yes ] || stage finish_base
  stage assemble_node_image
  exec {image_lock}>&-
}

cluster_config() {
  local node role
  printf 'kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nname: %s\n' "$CLUSTER_NAME"
  printf 'networking: {apiServerAddress: 127.0.0.1, apiServerPort: %s}\n' "${CLUSTER_API_PORT:-0}"
  # Without this setting the kubelet refuses cgroup v1; the oldest ones, which only other images have, do not know it.
  [ "$image_kind" != own ] || printf 'kubeadmConfigPatches:\n- |-\n  kind: KubeletConfiguration\n  failCgroupV1: false\n'
  # A directory of this name there says how to reach the registry HOST:PORT.
  printf 'containerdConfigPatches:\n- |-\n  [plugins."io.containerd.grpc.v1.cri".registry]\n    config_path = "/etc/containerd/certs.d"\n'
  [ "$CLUSTER_RESTRICTED" != yes ] ||
    printf -- '- |-\n  [plugins."io.containerd.grpc.v1.cri"]\n    restrict_oom_score_adj = true\n'
  echo 'nodes:'
  for ((node = 0; node < ${CLUSTER_NODES:-3}; node++)); do
    role=worker
    [ $node -gt 0 ] || role=control-plane
    printf -- '- {role: %s, extraMounts: [{hostPath: %s, containerPath: %s, readOnly: true}]}\n' \
      "$role" "$(jq -cn --arg path "$CLUSTER_DIR" '$path')" "$CLUSTER_MARK"
  done
}

create_cluster() {
  local config=$BUILD/cluster/$CLUSTER_NAME.yaml
  cluster_config >"$config"
  cat "$config"
  if ! run_kind create cluster --config "$config" --image "$image_name" --kubeconfig "$CLUSTER_KUBECONFIG" --retain; then
    export_logs "$BUILD/log/cluster-$CLUSTER_NAME" || true
    remove_nodes
    echo "the nodes' own logs are in build/log/cluster-$CLUSTER_NAME"
    return 1
  fi
}

# node_ranges: prints NAME POD_RANGE ADDRESS of every node; fails until each has all three.
node_ranges() {
  run_kubectl get nodes --request-timeout=5s -o json | jq -er --argjson size "$(cluster_nodes | wc -l)" '
    [.items[] | [.metadata.name, .spec.podCIDR, (.status.addresses[] | select(.type == "InternalIP").address)]]
    | if length == $size and all(.[]; all) then .[] | join(" ") else halt_error end'
}

# connect_nodes: connects the pods of all nodes. kindnet, which kind uses for that, exists only as an image; see
# node/connect and node/policy.yaml for its replacement.
connect_nodes() {
  local node ranges
  ranges=$(try --max 60 --delay 0.5 -- node_ranges)
  echo "$ranges"
  for node in $(cluster_nodes); do
    # shellcheck disable=SC2046 # the output is several arguments
    docker exec "$node" web-app-connect $(awk -v node="$node" '$1 == node { print $2 }' <<<"$ranges") \
      $(awk -v node="$node" '$1 != node { print $2, $3 }' <<<"$ranges")
  done
}

remove_nodes() {
  local nodes volumes
  mapfile -t nodes < <(cluster_nodes)
  [ ${#nodes[@]} -gt 0 ] || return 0
  mapfile -t volumes < <(docker inspect --format '{{range .Mounts}}{{if eq .Type "volume"}}{{println .Name}}{{end}}{{end}}' "${nodes[@]}" | grep . || true)
  docker rm --force --volumes "${nodes[@]}"
  # An interrupted `docker rm` leaves a volume behind.
  [ ${#volumes[@]} = 0 ] || docker volume rm "${volumes[@]}" 2>/dev/null || true
}

remove_cluster() {
  remove_nodes
  docker rm --force "$NODE_BUILDER" >/dev/null 2>&1 || true
  # Fails, as it must, while another cluster uses the network.
  ! docker network inspect "$CLUSTER_NETWORK" >/dev/null 2>&1 || docker network rm "$CLUSTER_NETWORK" || true
  rm -f "$CLUSTER_KUBECONFIG" "$CLUSTER_KUBECONFIG.lock" "$BUILD/cluster/$CLUSTER_NAME".{yaml,checked}
}

# cluster_up_with_kind: keeps an existing cluster that passes the checks; otherwise makes a new one.
cluster_up_with_kind() {
  # Without the lock two simultaneous runs would each take the other's unfinished cluster for a broken one.
  take_lock "cluster $CLUSTER_NAME"
  preflight
  own_or_die up
  if [ "$(cluster_owner)" != none ]; then
    cluster_tool kind
    if cluster_complete; then
      nodes_as_asked
      kubectl_for_cluster
      was_checked || check_again
      say "cluster $CLUSTER_NAME is up; ./build.sh cluster down removes it"
      return
    fi
    step "remove what an earlier run left of cluster $CLUSTER_NAME" remove_cluster
  fi
  choose_node_image
  pull_usual_image
  preflight_build
  trap 'stop_base' EXIT
  cluster_tool kind
  PLAN=()
  if [ "$image_kind" = own ]; then plan_image; fi
  plan 35 "create cluster $CLUSTER_NAME: ${CLUSTER_NODES:-3} nodes of $image_name"
  if [ "$image_kind" = own ]; then plan 3 "connect the nodes' pods"; else plan 5 "load busybox for the checks"; fi
  plan 5 "wait for nodes, DNS and storage"
  plan 10 "check names, services, storage and traffic between all nodes"
  show_plan
  [ "$image_kind" != own ] || build_image_stages
  [ -n "${CLUSTER_RESTRICTED:-}" ] || detect_restricted
  stage create_cluster
  kubectl_for_cluster
  if [ "$image_kind" = own ]; then stage connect_nodes; else stage load_busybox; fi
  stage wait_for_cluster
  stage check_cluster
  mark_checked
}

# Restarted nodes may have exchanged their addresses.
check_again() {
  local image
  image=$(docker inspect --format '{{.Config.Image}}' "$(cluster_nodes | head -n 1)")
  [ "${image%%:*}" != web-app-node ] || step "connect the nodes' pods" connect_nodes
  step "check names, services, storage and traffic between all nodes" check_cluster
  mark_checked
}

cluster_up() {
  local since=$EPOCHREALTIME
  need cluster
  if [ -n "${E2E_CONTEXT:-}" ]; then
    use_context
  else
    cluster_up_with_kind
  fi
  say "ready after $(elapsed "$since"): export KUBECONFIG=$CLUSTER_KUBECONFIG"
}

# use_context: copies only this context from the user's configuration, so that no test can reach another cluster.
use_context() {
  mkdir -p "$BUILD"
  cluster_tool kubectl
  (umask 077 && "$BUILD/tools/bin/kubectl" config view --minify --flatten --context "$E2E_CONTEXT" >"$CLUSTER_KUBECONFIG.new" 2>/dev/null) ||
    die "your kubeconfig has no context $E2E_CONTEXT; kubectl config get-contexts lists them"
  mv "$CLUSTER_KUBECONFIG.new" "$CLUSTER_KUBECONFIG"
  run_kubectl version --request-timeout=10s >/dev/null 2>&1 ||
    die "the cluster of context $E2E_CONTEXT does not respond; start it, or unset E2E_CONTEXT for one of our own"
  kubectl_for_cluster
  load_busybox
  step "check names, services, storage and traffic between all nodes of $E2E_CONTEXT" check_cluster
}

# load_into_kind NAME IMAGE...: out of containerd's store Docker saves an image with references to platforms that it has
# not pulled, which kind refuses (https://github.com/kubernetes-sigs/kind/issues/3795); so it saves only its own platform.
load_into_kind() {
  local name=$1 platform archive
  shift
  if ! images_in_containerd; then
    run_kind load docker-image --name "$name" "$@"
    return
  fi
  platform=$(docker version --format '{{.Server.Os}}/{{.Server.Arch}}')
  archive=$(mktemp "$BUILD/cluster/images.XXXXXX.tar")
  docker save --platform "$platform" --output "$archive" "$@" && run_kind load image-archive --name "$name" "$archive" || {
    rm -f "$archive"
    return 1
  }
  rm -f "$archive"
}

# cluster_load IMAGE...: puts images of this machine's Docker into the cluster.
cluster_load() {
  local profile
  case ${E2E_CONTEXT:-} in
    '')
      cluster_tool kind
      load_into_kind "$CLUSTER_NAME" "$@"
      ;;
    kind-*)
      cluster_tool kind
      CLUSTER_NAME=${E2E_CONTEXT#kind-} load_into_kind "${E2E_CONTEXT#kind-}" "$@"
      ;;
    *)
      profile=$E2E_CONTEXT
      if command -v minikube >/dev/null && minikube status -p "$profile" >/dev/null 2>&1; then
        local image
        for image in "$@"; do minikube image load -p "$profile" "$image"; done
      else
        say "context $profile is neither kind nor minikube: it must be able to pull $* by itself"
      fi
      ;;
  esac
}

cluster_down() {
  if [ -n "${E2E_CONTEXT:-}" ]; then
    rm -f "$CLUSTER_KUBECONFIG"
    say "forgot context $E2E_CONTEXT; the cluster itself is yours and stays"
    return
  fi
  preflight_docker
  take_lock "cluster $CLUSTER_NAME"
  own_or_die down
  if [ "$(cluster_owner)" = none ] && [ ! -e "$CLUSTER_KUBECONFIG" ] && ! docker network inspect "$CLUSTER_NETWORK" >/dev/null 2>&1; then
    say "there is no cluster $CLUSTER_NAME"
    return
  fi
  step "remove cluster $CLUSTER_NAME" remove_cluster
}

cluster_status() {
  [ -n "${E2E_CONTEXT:-}" ] || {
    preflight_docker
    own_or_die status
    [ "$(cluster_owner)" != none ] || {
      say "there is no cluster $CLUSTER_NAME; ./build.sh cluster up makes it"
      return 1
    }
  }
  cluster_complete || {
    say "cluster $CLUSTER_NAME is not usable; ./build.sh cluster up repairs it"
    return 1
  }
  run_kubectl get nodes -o wide
  run_kubectl get storageclass
  say "export KUBECONFIG=$CLUSTER_KUBECONFIG"
}

cluster_logs() { # [DIRECTORY]
  local directory=${1:-$BUILD/log/cluster-$CLUSTER_NAME}
  preflight_docker
  own_or_die logs
  [ "$(cluster_owner)" != none ] || die "there is no cluster $CLUSTER_NAME"
  cluster_tool kind
  mkdir -p "$directory"
  step "collect the nodes' logs" export_logs "$directory"
  say "$directory"
}

# export_logs DIRECTORY: kind reports a failure if crictl, which our nodes lack, cannot list images; that is ignored.
export_logs() {
  local node
  run_kind export logs --name "$CLUSTER_NAME" "$1" || true
  for node in $(cluster_nodes); do [ -s "$1/$node/journal.log" ] || return 1; done
}

cluster_image() { # [--save FILE | --load FILE]
  need cluster
  preflight_docker
  case ${1:-} in
    --load)
      [ -r "${2:-}" ] || die "cluster image --load needs a file that can be read"
      step "load $2" load_node_image "$2"
      has_image "$(node_image)" || die "$2 holds another version than this checkout's $(node_image)"
      ;;
    --save | '')
      [ "${1:-}" = '' ] || [ -n "${2:-}" ] || die "cluster image --save needs a file name"
      PLAN=()
      preflight_build own
      trap 'stop_base' EXIT
      plan_image
      [ ${#PLAN[@]} = 0 ] || show_plan
      build_image_stages
      [ "${1:-}" = '' ] || step "save $(node_image) to $2" save_node_image "$2"
      ;;
    *) die "usage: ./build.sh cluster image [--save FILE | --load FILE]" ;;
  esac
  node_image
}

cluster_main() {
  local verb=${1:-}
  case $verb in
    up | down | status | logs | image | load)
      shift
      "cluster_$verb" "$@"
      drop_locks
      ;;
    *) die "usage: ./build.sh cluster up | down | status | load IMAGE... | logs [DIRECTORY] | image [--save FILE | --load FILE]" ;;
  esac
}
